-- Grain: one row. Good items of the drop, and those among them without a readable price.
-- Inputs: parsed.
SELECT count(*) AS items, count(*) FILTER (price_usd IS NULL) AS without_price
FROM parsed
WHERE reason IS NULL
