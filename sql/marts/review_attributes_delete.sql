-- Take a range of days of one source out.  $source $start_date $end_date
DELETE FROM marts.review_attributes
WHERE source = $source AND event_date BETWEEN $start_date::DATE AND $end_date::DATE
