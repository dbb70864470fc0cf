-- Forget the account of the days $dates.  $source $table_name $dates
DELETE FROM clean.partitions
WHERE source = $source AND table_name = $table_name AND event_date IN (SELECT unnest($dates::DATE[]))
