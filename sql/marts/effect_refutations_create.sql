-- Grain: one refuter tried on one effect of one night. `refuted` is the estimate after it (for subset and time
-- the difference between the halves), in units of `outcome`; `benchmarks` is JSON.
CREATE TABLE IF NOT EXISTS marts.effect_refutations (
    as_of DATE, source VARCHAR, window_name VARCHAR, outcome VARCHAR, attribute VARCHAR, contrast VARCHAR,
    refuter VARCHAR, result VARCHAR, estimate DOUBLE, refuted DOUBLE, ci_low DOUBLE, ci_high DOUBLE,
    p_value DOUBLE, reason VARCHAR, note VARCHAR, benchmarks VARCHAR
)
