-- Grain: one table of one delivered drop. rows_read = rows_published + rows_quarantined + rows_duplicate.
-- `drop_key` covers the files, the settings and the code that staged them; `staged_*` is the file of the
-- lake that holds the accepted rows; `dates` lists the event dates that it touches.
CREATE TABLE IF NOT EXISTS raw.drops (
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    table_name VARCHAR,  -- table that the row is about, without its layer
    drop_id VARCHAR,  -- delivery: a date, or import:<file>#<hash of its place>
    drop_date DATE,  -- date of the delivery
    kind VARCHAR,  -- kind of the files, as amazon-2018
    origin VARCHAR,  -- JSON list of the files
    drop_key VARCHAR,  -- hash of the files, settings and code that staged them
    staged_path VARCHAR,  -- accepted rows: their place in the lake
    staged_sha256 VARCHAR,  -- SHA-256 of that file
    staged_size BIGINT,  -- bytes of that file
    dates DATE[],  -- days that the drop touches
    rows_read BIGINT,  -- rows delivered
    rows_published BIGINT,  -- of these, published
    rows_quarantined BIGINT,  -- of these, malformed
    rows_duplicate BIGINT,  -- of these, repeats within the drop or of other drops
    rows_repeated_in_drop BIGINT,  -- of these, repeats within the drop
    reasons VARCHAR,  -- JSON: reason to quarantined rows
    drift VARCHAR,  -- JSON list: how columns differ from those of before
    published_at TIMESTAMPTZ,  -- when it was published, UTC
    profile VARCHAR,  -- JSON: what its rows look like, to compare later drops with
    fingerprint VARCHAR  -- hash of the files; null where an earlier version published them
)
