-- Grain: one source and table of latest state, with the rows that are published.
SELECT 'items' AS table_name, source, count(*) AS row_count FROM clean.items GROUP BY source
UNION ALL
SELECT 'users', source, count(*) FROM clean.users GROUP BY source
