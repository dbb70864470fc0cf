-- Grain: one table of one delivered drop. rows_read = rows_published + rows_quarantined + rows_duplicate.
-- `drop_key` covers the files, the settings and the code that staged them; `staged_*` is the file of the
-- lake that holds the accepted rows; `dates` lists the event dates that it touches.
CREATE TABLE IF NOT EXISTS raw.drops (
    source VARCHAR, table_name VARCHAR, drop_id VARCHAR, drop_date DATE, kind VARCHAR, origin VARCHAR,
    drop_key VARCHAR, staged_path VARCHAR, staged_sha256 VARCHAR, staged_size BIGINT, dates DATE[],
    rows_read BIGINT, rows_published BIGINT, rows_quarantined BIGINT, rows_duplicate BIGINT,
    rows_repeated_in_drop BIGINT, reasons VARCHAR, drift VARCHAR, published_at TIMESTAMPTZ
)
