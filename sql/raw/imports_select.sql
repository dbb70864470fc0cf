-- Grain: one table of one file imported by hand that a night of $as_of can see: from the first of its days on, and items or
-- users always. The largest first; `first_date` and `last_date` are null where rows have no day. `n_checks` ran when it came in.
SELECT
    source, table_name, drop_id, rows_read, rows_published, rows_quarantined, rows_duplicate,
    list_min(dates) AS first_date, list_max(dates) AS last_date,
    coalesce(n_checks, 0) AS n_checks, coalesce(n_warnings, 0) AS n_warnings
FROM raw.drops LEFT JOIN (
    SELECT
        source, table_name, drop_id, count(*) FILTER (skip_reason IS NULL) AS n_checks,
        count(*) FILTER (skip_reason IS NULL AND NOT is_success) AS n_warnings
    FROM marts.quality
    GROUP BY ALL
) USING (source, table_name, drop_id)
WHERE starts_with(drop_id, 'import:') AND (list_min(dates) IS NULL OR list_min(dates) <= $as_of::DATE)
ORDER BY rows_published DESC, source, table_name, drop_id
