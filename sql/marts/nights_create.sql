-- Grain: one night with a report. `verdict` is good, care, held, failed or empty; `data_fitness` says whether the
-- night's data was fit to conclude anything; `n_*` count headline effects by verdict, `n_flipped` changed verdicts,
-- `n_real` effects that likely moved or were revised since `previous_as_of` (NULL: there was no night before);
-- `todo` is a JSON list of at most three things to do.
CREATE TABLE IF NOT EXISTS marts.nights (
    as_of DATE, previous_as_of DATE, verdict VARCHAR, data_fitness VARCHAR, headline VARCHAR, topline VARCHAR,
    todo VARCHAR, rows_published BIGINT, rows_quarantined BIGINT, is_gate_passed BOOLEAN, n_effects BIGINT,
    n_credible BIGINT, n_weak BIGINT, n_not_credible BIGINT, n_no_result BIGINT, n_flipped BIGINT, n_real BIGINT
)
