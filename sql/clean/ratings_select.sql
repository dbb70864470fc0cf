-- Grain: one rating of one source up to a day.  $source $until
SELECT review_id, user_id, item_id, rating, reviewed_at
FROM clean.reviews
WHERE source = $source AND event_date <= $until::DATE
ORDER BY reviewed_at, review_id
