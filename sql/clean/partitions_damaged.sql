-- Grain: one day in [$first, $last] whose published rows are not as many as its account says.
WITH live AS (
    SELECT 'reviews' AS table_name, source, event_date, count(*) AS n
    FROM clean.reviews
    WHERE event_date BETWEEN $first::DATE AND $last::DATE GROUP BY ALL
    UNION ALL
    SELECT 'exposures', source, event_date, count(*)
    FROM clean.exposures
    WHERE event_date BETWEEN $first::DATE AND $last::DATE GROUP BY ALL
)
SELECT table_name, source, event_date
FROM (SELECT * FROM clean.partitions WHERE event_date BETWEEN $first::DATE AND $last::DATE) AS p
FULL JOIN live AS l USING (table_name, source, event_date)
WHERE p.row_count IS DISTINCT FROM l.n
