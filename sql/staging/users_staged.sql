-- Grain: one row per accepted row of the drop, the last of each key, in an order that depends on the
-- rows alone. Inputs: parsed, repeats, files(file, name). Parameters: $path.
COPY (
    SELECT
        user_id, source, features,
        parsed.drop_id, files.name AS file, parsed.line
    FROM parsed
    JOIN files USING (file)
    ANTI JOIN repeats ON parsed.file = repeats.file AND parsed.line = repeats.line
    WHERE parsed.reason IS NULL
    ORDER BY user_id
) TO $path (FORMAT parquet, COMPRESSION snappy)
