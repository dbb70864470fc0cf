"""Average effects that stand on cross-fitted learners: irm, balance, ipw, forest, rows' effects."""
