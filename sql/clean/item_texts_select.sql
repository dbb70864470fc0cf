-- Grain: one of the items that the reviews of a period are of and that has a title or a description.
-- $source $start_date $end_date
SELECT item_id, concat_ws('. ', nullif(trim(title), ''), nullif(trim(description), '')) AS text
FROM clean.items
WHERE source = $source
    AND (trim(title) <> '' OR trim(description) <> '')
    AND item_id IN (
        SELECT item_id FROM clean.reviews
        WHERE source = $source AND event_date BETWEEN $start_date::DATE AND $end_date::DATE
    )
ORDER BY item_id
