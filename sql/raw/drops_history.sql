-- Grain: one table of one dated drop: what later drops are compared with.
SELECT source, table_name, drop_id, rows_read - rows_quarantined - rows_repeated_in_drop AS row_count, profile
FROM raw.drops
WHERE drop_id = drop_date::VARCHAR
