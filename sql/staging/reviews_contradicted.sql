-- Grain: one row per accepted row that a later row of the drop contradicts, added to the refused ones.
-- Inputs: repeats, files. Parameters: $draft (Parquet file of all accepted rows). The raw text is the row itself, after the privacy rules.
INSERT INTO refused
SELECT
    files.place,
    draft.line,
    'contradicts line ' || repeats.kept_line || ' of ' || kept.name || ': ' || difference,
    to_json(struct_pack(
        user_id := user_id, item_id := item_id, reviewed_at := reviewed_at, rating := rating,
        title := title, text := text, helpful_votes := helpful_votes, total_votes := total_votes,
        is_verified := is_verified
    ))
FROM read_parquet($draft) AS draft
JOIN files ON files.name = draft.file
JOIN repeats ON repeats.place = files.place AND repeats.line = draft.line
JOIN files AS kept ON kept.place = repeats.kept_place
WHERE difference IS NOT NULL
