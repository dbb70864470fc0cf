-- Grain: one review of the source in the days that may count as a period's history.
-- $source $first_date $end_date
SELECT user_id, item_id, event_date, rating FROM clean.reviews
WHERE source = $source AND event_date BETWEEN $first_date::DATE AND $end_date::DATE
ORDER BY event_date, review_id
