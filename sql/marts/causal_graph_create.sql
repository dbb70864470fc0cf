-- Grain: one edge of the causal graph of one source and night. `ends` is the edge as drawn (-->, ---, <->, o->, o-o),
-- `stability` the share of bootstraps that repeat it, `origin` data, prior or both, `n` the rows searched.
CREATE TABLE IF NOT EXISTS marts.causal_graph (
    as_of DATE, source VARCHAR, method VARCHAR, n BIGINT, from_column VARCHAR, to_column VARCHAR, kind VARCHAR,
    ends VARCHAR, stability DOUBLE, origin VARCHAR, suggested_by VARCHAR
)
