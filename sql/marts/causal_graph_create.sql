-- Grain: one edge of the causal graph of one source and night. `ends` is the edge as drawn (-->, ---, <->, o->, o-o),
-- `stability` the share of bootstraps that repeat it, `origin` data, prior or both, `n` the rows searched.
CREATE TABLE IF NOT EXISTS marts.causal_graph (
    as_of DATE,  -- night: the last date that it saw
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    method VARCHAR,  -- search: pc, fci or ges
    n BIGINT,  -- rows searched
    from_column VARCHAR,  -- node where the edge begins
    to_column VARCHAR,  -- node where it ends
    kind VARCHAR,  -- directed, undirected, bidirected or partial
    ends VARCHAR,  -- the edge as drawn: -->, ---, <->, o->, o-o
    stability DOUBLE,  -- share of bootstraps that repeat it, 0 to 1
    origin VARCHAR,  -- data, prior or both
    suggested_by VARCHAR  -- who suggested a prior edge: a person or a language model
)
