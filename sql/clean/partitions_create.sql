-- Grain: one published day of one table of one source, with its row count and content fingerprint.
CREATE TABLE IF NOT EXISTS clean.partitions (
    table_name VARCHAR,  -- table that the row is about, without its layer
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    event_date DATE,  -- day of the event, UTC
    row_count BIGINT,  -- published rows of that day
    fingerprint VARCHAR  -- hash of these rows; what caches are keyed by
)
