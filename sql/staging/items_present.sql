-- Grain: one row per delivered file: how many rows have a value for each required field.
-- Inputs: parsed.
SELECT
    file
    , count(item_id) AS item_id
FROM parsed
GROUP BY file
