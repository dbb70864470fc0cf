-- Grain: one row per delivered file: how many rows have a value for each required field.
-- Inputs: parsed.
SELECT
    file
    , count(user_id) AS user_id
    , count(item_id) AS item_id
    , count(event_date) AS exposed_at
    , count(is_clicked) AS is_clicked
FROM parsed
GROUP BY file
