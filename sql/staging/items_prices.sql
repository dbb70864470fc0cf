-- Grain: one row. Accepted items, and those among them without a readable price.
-- Parameters: $path (staged Parquet file).
SELECT count(*) AS items, count(*) FILTER (price_usd IS NULL) AS without_price
FROM read_parquet($path)
