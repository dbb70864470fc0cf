-- Grain: one published day, up to $as_of.
SELECT table_name, source, event_date, row_count, fingerprint
FROM clean.partitions
WHERE event_date <= $as_of::DATE
ORDER BY table_name, source, event_date
