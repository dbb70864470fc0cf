-- Forget some tables of some drops.  $labels (list of "source/drop_id/table")
DELETE FROM raw.drops WHERE source || '/' || drop_id || '/' || table_name IN (SELECT unnest($labels::VARCHAR[]))
