-- Grain: one source and table of latest state, with the rows that its drops account for.
SELECT table_name, source, sum(rows_published)::BIGINT AS row_count
FROM raw.drops WHERE table_name IN ('items', 'users') GROUP BY ALL
