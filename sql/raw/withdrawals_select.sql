-- Grain: one table of one delivery that was taken back and not restored: who did it last, and the `fingerprints` of
-- all files that were taken back of it.
SELECT
    source, table_name, drop_id, max(drop_date) AS drop_date, max(withdrawn_at) AS withdrawn_at,
    arg_max(rows_published, withdrawn_at) AS rows_published, arg_max(asked_by, withdrawn_at) AS asked_by,
    arg_max(reason, withdrawn_at) AS reason, list(fingerprint) AS fingerprints
FROM raw.withdrawals WHERE restored_at IS NULL
GROUP BY source, table_name, drop_id
ORDER BY source, table_name, drop_id
