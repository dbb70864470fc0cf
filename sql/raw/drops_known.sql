-- Grain: one table of one drop that a night of $as_of can see, by the content that was read from it.
SELECT drop_date, source, table_name, drop_id, staged_sha256
FROM raw.drops
WHERE drop_date IS NULL OR drop_date <= $as_of::DATE
ORDER BY source, table_name, drop_date, drop_id
