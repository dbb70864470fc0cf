-- Take all rows of one source out; the table holds the latest state.  $source
DELETE FROM clean.users WHERE source = $source
