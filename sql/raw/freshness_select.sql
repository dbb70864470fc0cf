-- Grain: one of $sources, with its newest dated drop up to $as_of; null where none of it was ever published.
-- A source that began after $as_of, or that was only ever imported, is left out.
SELECT
    source,
    max(drop_date) FILTER (WHERE drop_id = drop_date::VARCHAR AND drop_date <= $as_of::DATE) AS newest_drop
FROM (SELECT unnest($sources) AS source) LEFT JOIN raw.drops USING (source)
GROUP BY source
HAVING newest_drop IS NOT NULL OR count(drop_id) = 0
ORDER BY source
