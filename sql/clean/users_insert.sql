-- Grain: one row per user_id, as the newest drop that names it delivers it.  $source $files
INSERT INTO clean.users BY NAME
SELECT staged.* EXCLUDE (file, line)
FROM read_parquet($files, union_by_name => true) AS staged
JOIN (
    SELECT
        *, CASE WHEN starts_with(drop_id, 'import:') THEN published_at AT TIME ZONE 'UTC' END AS imported_at
    FROM raw.drops
) AS drops
    ON drops.source = staged.source AND drops.drop_id = staged.drop_id AND drops.table_name = 'users'
WHERE staged.source = $source
QUALIFY row_number() OVER (
    PARTITION BY staged.user_id
    ORDER BY
        coalesce(drops.imported_at::DATE, drops.drop_date) DESC NULLS LAST, drops.imported_at DESC NULLS LAST,
        drops.drop_id DESC, staged.file DESC, staged.line DESC
) = 1
ORDER BY staged.user_id
