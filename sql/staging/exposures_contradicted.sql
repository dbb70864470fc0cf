-- Grain: one row per accepted row that a later row of the drop contradicts, added to the refused ones.
-- Inputs: repeats, files. Parameters: $draft (Parquet file of all accepted rows). The raw text is the row itself, after the privacy rules.
INSERT INTO refused
SELECT
    files.place,
    draft.line,
    'contradicts line ' || repeats.kept_line || ' of ' || kept.name || ': ' || difference,
    to_json({
        'exposure_id': exposure_id, 'user_id': user_id, 'item_id': item_id,
        'exposed_at': exposed_at, 'policy': policy, 'position': draft."position",
        'propensity': propensity, 'is_clicked': is_clicked, 'is_converted': is_converted,
        'context': context
    })
FROM read_parquet($draft) AS draft
JOIN files ON files.name = draft.file
JOIN repeats ON repeats.place = files.place AND repeats.line = draft.line
JOIN files AS kept ON kept.place = repeats.kept_place
WHERE difference IS NOT NULL
