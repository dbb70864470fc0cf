-- Grain: one review of one source in a range of days.  $source $start_date $end_date
SELECT * EXCLUDE (drop_id) FROM clean.reviews
WHERE source = $source AND event_date BETWEEN $start_date::DATE AND $end_date::DATE
ORDER BY event_date, review_id
