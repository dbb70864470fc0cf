-- Grain: one refuter tried on one effect of one night. `refuted` is the estimate after it (for subset and time
-- the difference between the halves), in units of `outcome`; `benchmarks` is JSON.
CREATE TABLE IF NOT EXISTS marts.effect_refutations (
    as_of DATE,  -- night: the last date that it saw
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    window_name VARCHAR,  -- days looked at: all, or the last so many
    outcome VARCHAR,  -- what is affected: rating, click
    attribute VARCHAR,  -- attribute that the review speaks of
    contrast VARCHAR,  -- which mentions are compared, as negative_to_positive
    refuter VARCHAR,  -- placebo, random_cause, subset, time, negative_control or sensitivity
    result VARCHAR,  -- passed, weak, failed or not applicable
    estimate DOUBLE,  -- the effect on trial
    refuted DOUBLE,  -- estimate after the refuter; for subset and time the difference of the halves
    ci_low DOUBLE,  -- lower end of its interval
    ci_high DOUBLE,  -- upper end of its interval
    p_value DOUBLE,  -- probability of as much by chance
    reason VARCHAR,  -- why it failed or could not be tried
    note VARCHAR,  -- which half, control or strength it is
    benchmarks VARCHAR  -- JSON: strongest controls, for comparison
)
