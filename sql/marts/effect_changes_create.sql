-- Grain: one night, source, window, outcome and attribute: its headline effect beside that of the night before, in
-- units of `outcome`. `difference` = `by_reviews` (the reviews that came in or dropped out, with the interval of that
-- change) + `by_revision` (what today's data, controls and code make of the earlier figure).
CREATE TABLE IF NOT EXISTS marts.effect_changes (
    as_of DATE, previous_as_of DATE, source VARCHAR, window_name VARCHAR, outcome VARCHAR, attribute VARCHAR,
    kind VARCHAR, word VARCHAR, verdict_before VARCHAR, verdict_now VARCHAR, cause VARCHAR, estimate_before DOUBLE,
    estimate_now DOUBLE, difference DOUBLE, by_reviews DOUBLE, by_reviews_std_error DOUBLE, by_reviews_ci_low DOUBLE,
    by_reviews_ci_high DOUBLE, q_value DOUBLE, by_revision DOUBLE, n_before BIGINT, n_now BIGINT, n_gained BIGINT,
    n_lost BIGINT
)
