-- Grain: one row per accepted row of the drop, the last of each key, in an order that depends on the
-- rows alone. Inputs: parsed, repeats, files(file, name). Parameters: $path.
COPY (
    SELECT
        review_id, source, user_id, item_id, reviewed_at, event_date, rating, title, text,
        text_sha256, helpful_votes, total_votes, is_verified,
        parsed.drop_id, files.name AS file, parsed.line
    FROM parsed
    JOIN files USING (file)
    ANTI JOIN repeats ON parsed.file = repeats.file AND parsed.line = repeats.line
    WHERE parsed.reason IS NULL
    ORDER BY event_date, review_id
) TO $path (FORMAT parquet, COMPRESSION snappy)
