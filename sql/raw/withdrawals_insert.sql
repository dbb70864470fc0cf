-- Grain: one table of one delivery out of raw.drops, as it is taken back.  $labels (list of "source/drop_id/table")
INSERT INTO raw.withdrawals BY NAME
SELECT
    source, table_name, drop_id, drop_date, fingerprint, rows_published, $withdrawn_at::TIMESTAMPTZ AS withdrawn_at,
    $asked_by AS asked_by, $reason AS reason
FROM raw.drops WHERE source || '/' || drop_id || '/' || table_name IN (SELECT unnest($labels::VARCHAR[]))
