-- Grain: one night, source, window, attribute, contrast and estimator. Effects are in units of `outcome`.
CREATE TABLE IF NOT EXISTS marts.effects (
    as_of DATE, source VARCHAR, window_name VARCHAR, window_start DATE, window_end DATE, outcome VARCHAR,
    attribute VARCHAR, contrast VARCHAR, estimator VARCHAR, estimate DOUBLE, std_error DOUBLE,
    ci_low DOUBLE, ci_high DOUBLE, q_value DOUBLE, naive DOUBLE, naive_ci_low DOUBLE, naive_ci_high DOUBLE,
    n BIGINT, n_positive BIGINT, n_negative BIGINT, verdict VARCHAR, reasons VARCHAR,
    p_value DOUBLE, robustness_value DOUBLE, variance_left DOUBLE, effective_clusters DOUBLE, estimand VARCHAR
)
