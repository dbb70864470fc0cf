-- Grain: one row. Rows of a staged file whose review_id no published row of the source has.  $source $path
SELECT count(*)
FROM read_parquet($path) AS staged
ANTI JOIN clean.reviews AS c ON c.source = $source AND c.review_id = staged.review_id
