-- Grain: one source and table: published rows over its last $most dated drops before $as_of.
WITH recent AS (
    SELECT source, table_name, rows_published, rows_quarantined / nullif(rows_read, 0) AS refused
    FROM raw.drops
    WHERE drop_id = drop_date::VARCHAR AND drop_date < $as_of::DATE
    QUALIFY row_number() OVER (PARTITION BY source, table_name ORDER BY drop_date DESC) <= $most
)
SELECT
    source, table_name, count(*) AS n_drops, min(rows_published) AS rows_low, max(rows_published) AS rows_high,
    median(rows_published) AS rows_median, median(refused) AS refused_median
FROM recent GROUP BY ALL ORDER BY source, table_name
