-- Grain: one source and table: published rows over its last $most dated drops before $as_of, how many days these took
-- (`n_days`, the last drop's included: as many as drops where one comes every day), and the longest wait for one.
WITH recent AS (
    SELECT source, table_name, drop_date, rows_published, rows_quarantined / nullif(rows_read, 0) AS refused
    FROM raw.drops
    WHERE drop_id = drop_date::VARCHAR AND drop_date < $as_of::DATE
    QUALIFY row_number() OVER (PARTITION BY source, table_name ORDER BY drop_date DESC) <= $most
),
spaced AS (
    SELECT *, drop_date - lag(drop_date) OVER (PARTITION BY source, table_name ORDER BY drop_date) AS gap FROM recent
)
SELECT
    source, table_name, count(*) AS n_drops, date_diff('day', min(drop_date), max(drop_date)) + 1 AS n_days,
    max(drop_date) AS newest, coalesce(max(gap), 0) AS longest_gap,
    min(rows_published) AS rows_low, max(rows_published) AS rows_high,
    median(rows_published) AS rows_median, median(refused) AS refused_median
FROM spaced GROUP BY ALL ORDER BY source, table_name
