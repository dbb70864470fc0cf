-- Grain: one table of one file imported by hand that a night of $as_of can see: from the first of its days on, and items or
-- users always. The largest first; `first_date` and `last_date` are null where rows have no day.
SELECT
    source, table_name, drop_id, rows_read, rows_published, rows_quarantined, rows_duplicate,
    list_min(dates) AS first_date, list_max(dates) AS last_date
FROM raw.drops
WHERE starts_with(drop_id, 'import:') AND (list_min(dates) IS NULL OR list_min(dates) <= $as_of::DATE)
ORDER BY rows_published DESC, source, table_name, drop_id
