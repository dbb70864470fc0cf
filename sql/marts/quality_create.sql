-- Grain: one expectation checked on one table of one drop; the newest check of a drop replaces older ones.
CREATE TABLE IF NOT EXISTS marts.quality (
    source VARCHAR, table_name VARCHAR, drop_id VARCHAR, as_of DATE, expectation VARCHAR, column_name VARCHAR,
    severity VARCHAR, is_success BOOLEAN, observed VARCHAR, allowed VARCHAR, n_unexpected BIGINT,
    n_rows BIGINT, examples VARCHAR, breaks VARCHAR, advice VARCHAR, skip_reason VARCHAR
)
