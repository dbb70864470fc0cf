-- Take the days $dates of one source out.  $source $dates
DELETE FROM clean.reviews WHERE source = $source AND event_date IN (SELECT unnest($dates::DATE[]))
