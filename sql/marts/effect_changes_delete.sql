-- Take one night of one source out.  $source $start_date $end_date (both the night's date)
DELETE FROM marts.effect_changes WHERE source = $source AND as_of BETWEEN $start_date::DATE AND $end_date::DATE
