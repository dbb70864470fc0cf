"""One causal question of any table: its estimators, checks, refuters, segments."""
