-- Grain: one table of one dated drop, newest first.  $first_date $as_of
SELECT * FROM raw.drops
WHERE drop_id = drop_date::VARCHAR AND drop_date BETWEEN $first_date::DATE AND $as_of::DATE
ORDER BY drop_date DESC, source, table_name
