-- Grain: one row per event date of a staged file. Parameters: $path.
SELECT event_date, count(*) AS row_count FROM read_parquet($path) GROUP BY event_date ORDER BY event_date
