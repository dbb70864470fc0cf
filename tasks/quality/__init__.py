"""The quality gate: judge a staged partition, say what was found, bound its row count."""
