-- Grain: one row per exposure_id. The days $dates are derived anew from the staged files of every current drop
-- that touches them; where drops share a row, the newest delivery keeps it, so that the published table
-- depends on which drops there are and not on the order in which they came.  $source $dates $files
INSERT INTO clean.exposures BY NAME
SELECT staged.* EXCLUDE (file, line)
FROM read_parquet($files, union_by_name => true) AS staged
JOIN raw.drops AS drops
    ON drops.source = staged.source AND drops.drop_id = staged.drop_id AND drops.table_name = 'exposures'
WHERE staged.source = $source AND staged.event_date IN (SELECT unnest($dates::DATE[]))
QUALIFY row_number() OVER (
    PARTITION BY staged.exposure_id ORDER BY drops.drop_date DESC, drops.drop_id DESC, staged.file DESC, staged.line DESC
) = 1
ORDER BY staged.event_date, staged.exposure_id
