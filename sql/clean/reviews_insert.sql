-- Grain: one row per review_id. The days $dates are derived anew from the staged files of every current drop
-- that touches them; where drops share a row, the newest delivery keeps it, so that the published table
-- depends on which drops there are and not on the order in which they came.  $source $dates $files
-- Keys are compared without their rows, short hashes first: whole rows would not fit into memory.
INSERT INTO clean.reviews BY NAME
WITH drops AS (
    SELECT drop_id, drop_date FROM raw.drops WHERE source = $source AND table_name = 'reviews'
),
keys AS (
    SELECT staged.review_id AS key, staged.drop_id, staged.file, staged.line, drops.drop_date
    FROM read_parquet($files, union_by_name => true) AS staged
    JOIN drops ON drops.drop_id = staged.drop_id
    WHERE staged.source = $source AND staged.event_date IN (SELECT unnest($dates::DATE[]))
),
repeated AS (
    SELECT hash(key) AS bucket FROM keys GROUP BY bucket HAVING count(*) > 1
),
replaced AS (
    SELECT drop_id, file, line
    FROM keys
    SEMI JOIN repeated ON hash(keys.key) = repeated.bucket
    QUALIFY row_number() OVER (
        PARTITION BY key ORDER BY drop_date DESC, drop_id DESC, file DESC, line DESC
    ) > 1
)
SELECT staged.* EXCLUDE (file, line)
FROM read_parquet($files, union_by_name => true) AS staged
SEMI JOIN drops ON drops.drop_id = staged.drop_id
ANTI JOIN replaced
    ON replaced.drop_id = staged.drop_id AND replaced.file = staged.file AND replaced.line = staged.line
WHERE staged.source = $source AND staged.event_date IN (SELECT unnest($dates::DATE[]))
ORDER BY staged.event_date, staged.review_id
