-- Grain: one row per item_id, as the newest drop that names it delivers it.  $source $files
INSERT INTO clean.items BY NAME
SELECT staged.* EXCLUDE (file, line)
FROM read_parquet($files, union_by_name => true) AS staged
JOIN raw.drops AS drops
    ON drops.source = staged.source AND drops.drop_id = staged.drop_id AND drops.table_name = 'items'
WHERE staged.source = $source
QUALIFY row_number() OVER (
    PARTITION BY staged.item_id ORDER BY drops.drop_date DESC, drops.drop_id DESC, staged.file DESC, staged.line DESC
) = 1
ORDER BY staged.item_id
