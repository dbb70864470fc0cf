-- Grain: one staged row of the days $dates that a row of a newer delivery replaces, so that the published table
-- depends on which drops there are and not on the order in which they are worked on. A dated drop is as new as its
-- date says; an import as the moment (UTC) at which it was imported, and newer than the dated drop of that day.
-- `staged_keys` says which rows are the same.
-- $source $table_name (reviews or exposures) $dates $files (of every current drop that touches the days).
-- Keys are compared without their rows, short hashes first: whole rows would not fit into memory.
CREATE OR REPLACE TEMP TABLE replaced AS
WITH drops AS (
    SELECT
        drop_id, drop_date,
        CASE WHEN starts_with(drop_id, 'import:') THEN published_at AT TIME ZONE 'UTC' END AS imported_at
    FROM raw.drops WHERE source = $source AND table_name = $table_name
),
keys AS (
    SELECT
        key, drop_id, file, line,
        imported_at, coalesce(imported_at::DATE, drop_date) AS delivered_on
    FROM staged_keys($files) AS staged
    JOIN drops USING (drop_id)
    WHERE staged.source = $source AND staged.event_date IN (SELECT unnest($dates::DATE[]))
),
repeated AS (
    SELECT hash(key) AS bucket FROM keys GROUP BY bucket HAVING count(*) > 1
)
SELECT drop_id, file, line
FROM keys
SEMI JOIN repeated ON hash(keys.key) = repeated.bucket
QUALIFY row_number() OVER (
    PARTITION BY key ORDER BY delivered_on DESC, imported_at DESC NULLS LAST, drop_id DESC, file DESC, line DESC
) > 1
