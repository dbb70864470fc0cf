-- Grain: one row per refused row of the drop, in file order. Inputs: refused, files(place, name).
-- Parameters: $source, $drop_id, $table_name, $path.
COPY (
    SELECT
        $source AS source,
        $drop_id AS drop_id,
        $table_name AS table_name,
        refused.file,
        refused.line,
        refused.reason,
        refused.raw_text
    FROM refused
    JOIN files ON files.name = refused.file
    ORDER BY files.place, refused.line, refused.reason
) TO $path (FORMAT parquet, COMPRESSION zstd)
