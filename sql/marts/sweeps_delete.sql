-- Take the sweep of one source and day out.  $source $until
DELETE FROM marts.sweeps
WHERE source = $source AND until = $until::DATE
