-- Grain: one row. Rows of a staged file whose user_id no published row of the source has.  $source $path
SELECT count(*)
FROM read_parquet($path) AS staged
ANTI JOIN clean.users AS c ON c.source = $source AND c.user_id = staged.user_id
