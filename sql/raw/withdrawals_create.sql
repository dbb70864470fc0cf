-- Grain: one table of one delivery that somebody took back. The same files are not published again while
-- `restored_at` is null; other files of that delivery are.
CREATE TABLE IF NOT EXISTS raw.withdrawals (
    source VARCHAR,  -- name of the source
    table_name VARCHAR,  -- table that the rows were of, without its layer
    drop_id VARCHAR,  -- delivery: a date, or import:<file>#<hash of its place>
    drop_date DATE,  -- date of the delivery
    fingerprint VARCHAR,  -- hash of the files as they were published
    rows_published BIGINT,  -- rows that were published of it
    withdrawn_at TIMESTAMPTZ,  -- when it was taken back, UTC
    asked_by VARCHAR,  -- user@host who took it back
    reason VARCHAR,  -- why, in the words of who asked; empty when nothing was said
    restored_at TIMESTAMPTZ  -- when that was undone, UTC; null while it holds
)
