-- Grain: one night, source, window, outcome and attribute: its headline effect beside that of the night before.
CREATE TABLE IF NOT EXISTS marts.effect_changes (
    as_of DATE,  -- the night
    previous_as_of DATE,  -- night that it is compared with
    source VARCHAR,  -- name of the source
    window_name VARCHAR,  -- days that both effects look back on
    outcome VARCHAR,  -- what is moved; effects are in its units
    attribute VARCHAR,  -- what moves it
    kind VARCHAR,  -- verdict changed, moved, new, gone or steady
    word VARCHAR,  -- likely real, revised, within noise, cannot be said, new, gone or no result
    verdict_before VARCHAR,  -- credible, weak, not credible or no result, the night before
    verdict_now VARCHAR,  -- the same, this night
    cause VARCHAR,  -- why the verdict changed, in words
    estimate_before DOUBLE,  -- effect as the night before had it
    estimate_now DOUBLE,  -- effect as this night has it
    difference DOUBLE,  -- by_reviews + by_revision
    by_reviews DOUBLE,  -- part due to reviews that came in or dropped out
    by_reviews_std_error DOUBLE,  -- standard error of that part
    by_reviews_ci_low DOUBLE,  -- its interval, from
    by_reviews_ci_high DOUBLE,  -- its interval, to
    q_value DOUBLE,  -- false-discovery rate at which that part counts as real
    by_revision DOUBLE,  -- part due to what today's data, controls and code make of the earlier figure
    n_before BIGINT,  -- reviews behind the earlier effect
    n_now BIGINT,  -- reviews behind this one
    n_gained BIGINT,  -- reviews that came in
    n_lost BIGINT  -- reviews that dropped out
)
