-- Grain: one table of one dated drop, newest first; also older ones of $labels.  $first_date $as_of
-- $labels (list of "source/drop_id/table")
SELECT * EXCLUDE (profile) FROM raw.drops
WHERE drop_id = drop_date::VARCHAR AND drop_date <= $as_of::DATE
    AND (drop_date >= $first_date::DATE OR source || '/' || drop_id || '/' || table_name IN (SELECT unnest($labels::VARCHAR[])))
ORDER BY drop_date DESC, source, table_name
