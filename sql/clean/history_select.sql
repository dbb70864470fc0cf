-- Grain: one review, in the days that may count as a period's history, by a user or of an item that the
-- period's reviews are by or of.  $source $first_date $start_date $end_date
WITH wanted AS (
    SELECT user_id, item_id FROM clean.reviews
    WHERE source = $source AND event_date BETWEEN $start_date::DATE AND $end_date::DATE
)
SELECT user_id, item_id, event_date, rating FROM clean.reviews
WHERE source = $source AND event_date BETWEEN $first_date::DATE AND $end_date::DATE
    AND (user_id IN (SELECT user_id FROM wanted) OR item_id IN (SELECT item_id FROM wanted))
ORDER BY event_date, review_id
