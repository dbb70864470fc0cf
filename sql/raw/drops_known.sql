-- Grain: one table of one delivery that a night of $as_of can see, by the content that was read from it. A dated drop is
-- seen from its date on, an import from the first of its days on, and items or users of one always (`seen_from` is null).
SELECT seen_from, source, table_name, drop_id, staged_sha256
FROM (
    SELECT *, CASE WHEN starts_with(drop_id, 'import:') THEN list_min(dates) ELSE drop_date END AS seen_from
    FROM raw.drops
)
WHERE seen_from IS NULL OR seen_from <= $as_of::DATE
ORDER BY source, table_name, drop_date, drop_id
