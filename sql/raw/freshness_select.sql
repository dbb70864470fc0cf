-- Grain: one source, with its newest dated drop up to $as_of.
SELECT source, max(drop_date) AS newest_drop
FROM raw.drops WHERE drop_id = drop_date::VARCHAR AND drop_date <= $as_of::DATE
GROUP BY source ORDER BY source
