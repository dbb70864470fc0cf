-- Take all rows of one source out; the table holds the latest state.  $source
DELETE FROM clean.items WHERE source = $source
