-- Forget the parts of one mart inside a range of days.  $table_name $source $start_date $end_date
DELETE FROM marts.published
WHERE table_name = $table_name AND source = $source
    AND start_date >= $start_date::DATE AND end_date <= $end_date::DATE
