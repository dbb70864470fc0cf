-- Grain: one row per accepted row of the drop, the last of each key, in an order that depends on the
-- rows alone. Inputs: parsed, repeats, files(file, name). Parameters: $path.
COPY (
    SELECT
        exposure_id, source, user_id, item_id, exposed_at, event_date, policy, position,
        propensity, is_clicked, is_converted, context,
        parsed.drop_id, files.name AS file, parsed.line
    FROM parsed
    JOIN files USING (file)
    ANTI JOIN repeats ON parsed.file = repeats.file AND parsed.line = repeats.line
    WHERE parsed.reason IS NULL
    ORDER BY event_date, exposure_id
) TO $path (FORMAT parquet, COMPRESSION snappy)
