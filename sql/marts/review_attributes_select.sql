-- Grain: one review and attribute of one source in a range of days.  $source $start_date $end_date
SELECT review_id, attribute, is_mentioned, polarity FROM marts.review_attributes
WHERE source = $source AND event_date BETWEEN $start_date::DATE AND $end_date::DATE
ORDER BY event_date, review_id, attribute
