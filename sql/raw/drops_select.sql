-- Grain: one table of one drop, without what its rows look like.  $source $table_name (null: all)
SELECT * EXCLUDE (profile) FROM raw.drops
WHERE ($source::VARCHAR IS NULL OR source = $source) AND ($table_name::VARCHAR IS NULL OR table_name = $table_name)
ORDER BY source, table_name, drop_date, drop_id
