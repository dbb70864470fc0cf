-- Grain: one published day of one table of one source, with its row count and content fingerprint.
CREATE TABLE IF NOT EXISTS clean.partitions (
    table_name VARCHAR, source VARCHAR, event_date DATE, row_count BIGINT, fingerprint VARCHAR
)
