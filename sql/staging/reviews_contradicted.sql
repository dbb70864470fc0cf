-- Grain: one row per accepted row that a later row of the drop contradicts, added to the refused ones.
-- Inputs: repeats. Parameters: $draft (Parquet file of all accepted rows). The raw text is the row itself, after the privacy rules.
INSERT INTO refused
SELECT
    draft.file,
    draft.line,
    'contradicts line ' || repeats.kept_line || ' of ' || repeats.kept_file || ': ' || difference,
    to_json(struct_pack(
        user_id := user_id, item_id := item_id, reviewed_at := reviewed_at, rating := rating,
        title := title, text := text, helpful_votes := helpful_votes, total_votes := total_votes,
        is_verified := is_verified
    ))
FROM read_parquet($draft, file_row_number => true) AS draft
JOIN repeats ON repeats.ordinal = draft.file_row_number
WHERE difference IS NOT NULL
