-- Take one night out.  $source (not looked at: a night has all sources) $start_date $end_date (both the night's date)
DELETE FROM marts.nights WHERE $source = '' AND as_of BETWEEN $start_date::DATE AND $end_date::DATE
