-- Grain: one row per review_id. The days $dates are derived anew from the staged files of every current drop
-- that touches them, without those in `replaced`.  $source $dates $files
INSERT INTO clean.reviews BY NAME
SELECT staged.* EXCLUDE (file, line)
FROM read_parquet($files, union_by_name => true) AS staged
SEMI JOIN raw.drops AS d
    ON d.drop_id = staged.drop_id AND d.source = $source AND d.table_name = 'reviews'
ANTI JOIN replaced AS r
    ON r.drop_id = staged.drop_id AND r.file = staged.file AND r.line = staged.line
WHERE staged.source = $source AND staged.event_date IN (SELECT unnest($dates::DATE[]))
ORDER BY staged.event_date, staged.review_id
