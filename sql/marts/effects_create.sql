-- Grain: one night, source, window, attribute, contrast and estimator. Effects are in units of `outcome`.
CREATE TABLE IF NOT EXISTS marts.effects (
    as_of DATE,  -- night: the last date that it saw
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    window_name VARCHAR,  -- days looked at: all, or the last so many
    window_start DATE,  -- first day of the window
    window_end DATE,  -- last day of the window
    outcome VARCHAR,  -- what is affected: rating, click
    attribute VARCHAR,  -- attribute of the review, or position of a list
    contrast VARCHAR,  -- which mentions are compared, as negative_to_positive
    estimator VARCHAR,  -- plr, irm, balance, forest, corrected or aipw
    estimate DOUBLE,  -- effect, in units of the outcome; null: no result
    std_error DOUBLE,  -- its standard error, clustered by user
    ci_low DOUBLE,  -- lower end of the interval
    ci_high DOUBLE,  -- upper end of the interval
    q_value DOUBLE,  -- false-discovery rate at which it would count, over all of the night
    naive DOUBLE,  -- difference of means, not causal
    naive_ci_low DOUBLE,  -- lower end of its interval
    naive_ci_high DOUBLE,  -- upper end of its interval
    n BIGINT,  -- rows it stands on
    n_positive BIGINT,  -- of these, with praise (or at that position)
    n_negative BIGINT,  -- of these, with a complaint (or at the first position)
    verdict VARCHAR,  -- credible, weak, not credible or no result
    reasons VARCHAR,  -- JSON list: why
    p_value DOUBLE,  -- probability of as large an effect by chance
    robustness_value DOUBLE,  -- share of variance an unobserved confounder would need to explain to undo it
    variance_left DOUBLE,  -- share of the treatment's variance that the controls leave, the least of the arms
    effective_clusters DOUBLE,  -- users that the estimate effectively stands on, as Kish has it
    estimand VARCHAR  -- ate, att or atc
)
