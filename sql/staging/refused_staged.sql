-- Grain: one row per refused row of the drop, in file order. Inputs: refused, files.
-- Parameters: $source, $drop_id, $table_name, $mask_contacts, $path.
COPY (
    SELECT
        $source AS source,
        $drop_id AS drop_id,
        $table_name AS table_name,
        files.name AS file,
        refused.line,
        CASE WHEN $mask_contacts THEN mask_contacts(refused.reason) ELSE refused.reason END
            AS reason,
        rtrim(refused.raw_text, chr(10) || chr(13)) AS raw_text
    FROM refused
    JOIN files USING (place)
    ORDER BY refused.place, refused.line, refused.reason
) TO $path (FORMAT parquet, COMPRESSION zstd)
