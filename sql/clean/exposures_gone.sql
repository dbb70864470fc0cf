-- Grain: one row. Rows of a staged file whose exposure_id no published row of the source has.  $source $path
SELECT count(*)
FROM read_parquet($path) AS staged
ANTI JOIN clean.exposures AS c ON c.source = $source AND c.exposure_id = staged.exposure_id
