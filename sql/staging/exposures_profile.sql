-- Grain: one row: what the accepted exposures of a dated drop look like, to compare later days with.
-- Parameters: $path (its staged file), $drop_id (its date), $n_ids (how many to keep). Of ids the smallest hashes are
-- kept: samples of two days that can be compared.
WITH drafted AS (
    SELECT *, epoch_us(exposed_at) // 3600000000 % 24 AS hour_of_day FROM read_parquet($path)
)
SELECT
    count(*) AS n_rows,
    count(*) FILTER (event_date::VARCHAR = $drop_id) AS n_own_day,
    histogram(hour_of_day::INTEGER) AS hours,
    min(DISTINCT (md5_number_lower(exposure_id) >> 12)::BIGINT, $n_ids) AS keys,
    min(DISTINCT (md5_number_lower(user_id) >> 12)::BIGINT, $n_ids) AS users,
    min(DISTINCT (md5_number_lower(item_id) >> 12)::BIGINT, $n_ids) AS items
FROM drafted
