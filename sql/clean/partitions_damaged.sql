-- Grain: one day whose published rows are not as many as its account says.
WITH live AS (
    SELECT 'reviews' AS table_name, source, event_date, count(*) AS n FROM clean.reviews GROUP BY ALL
    UNION ALL
    SELECT 'exposures', source, event_date, count(*) FROM clean.exposures GROUP BY ALL
)
SELECT table_name, source, event_date
FROM clean.partitions AS p FULL JOIN live AS l USING (table_name, source, event_date)
WHERE p.row_count IS DISTINCT FROM l.n
