-- Grain: one night with a report, as its first page sums it up.
CREATE TABLE IF NOT EXISTS marts.nights (
    as_of DATE,  -- the night
    previous_as_of DATE,  -- night that it is compared with; null where there was none before
    verdict VARCHAR,  -- good, care, held, failed or empty
    data_fitness VARCHAR,  -- whether the night's data was fit to conclude anything
    headline VARCHAR,  -- the page's first sentence
    topline VARCHAR,  -- the sentence below it
    todo VARCHAR,  -- JSON list of at most three things to do
    rows_published BIGINT,  -- rows of the night's drops that were published
    rows_quarantined BIGINT,  -- of these drops, rows that were malformed
    is_gate_passed BOOLEAN,  -- whether no critical check failed
    n_effects BIGINT,  -- headline effects
    n_credible BIGINT,  -- of these, credible
    n_weak BIGINT,  -- of these, weak
    n_not_credible BIGINT,  -- of these, not credible
    n_no_result BIGINT,  -- of these, without a result
    n_flipped BIGINT,  -- of these, with another verdict than the night before
    n_real BIGINT  -- of these, likely moved or revised since the night before; null where there was none
)
