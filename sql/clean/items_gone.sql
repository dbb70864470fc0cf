-- Grain: one row. Rows of a staged file whose item_id no published row of the source has.  $source $path
SELECT count(*)
FROM read_parquet($path) AS staged
ANTI JOIN clean.items AS c ON c.source = $source AND c.item_id = staged.item_id
