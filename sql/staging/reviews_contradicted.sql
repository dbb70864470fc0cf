-- Grain: one row per row of `parsed` that a later row of the drop contradicts, as refused rows.
-- Inputs: parsed, repeats, files. The raw text is the row itself, after the privacy rules.
INSERT INTO refused
SELECT
    parsed.file,
    parsed.line,
    'contradicts line ' || repeats.kept_line || ' of ' || files.name || ': ' || difference,
    to_json(struct_pack(
        user_id := user_id, item_id := item_id, reviewed_at := reviewed_at, rating := rating,
        title := title, text := text, helpful_votes := helpful_votes, total_votes := total_votes,
        is_verified := is_verified
    ))
FROM parsed
JOIN repeats ON parsed.file = repeats.file AND parsed.line = repeats.line
JOIN files ON repeats.kept_file = files.file
WHERE difference IS NOT NULL
