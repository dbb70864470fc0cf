-- Grain: one day up to $as_of that something published was delivered for: the date of a drop, each day of an import.
SELECT DISTINCT day
FROM (
    SELECT unnest(CASE WHEN starts_with(drop_id, 'import:') THEN dates ELSE [drop_date] END) AS day FROM raw.drops
)
WHERE day <= $as_of::DATE
ORDER BY day
