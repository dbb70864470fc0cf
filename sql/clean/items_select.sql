-- Grain: one of the items that the reviews of a period are of.  $source $start_date $end_date
SELECT * EXCLUDE (drop_id) FROM clean.items
WHERE source = $source AND item_id IN (
    SELECT item_id FROM clean.reviews
    WHERE source = $source AND event_date BETWEEN $start_date::DATE AND $end_date::DATE
)
ORDER BY item_id
