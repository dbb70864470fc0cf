-- Grain: one row per accepted row that a later row of the drop contradicts, added to the refused ones.
-- Inputs: repeats. Parameters: $draft (Parquet file of all accepted rows). The raw text is the row itself, after the privacy rules.
INSERT INTO refused
SELECT
    draft.file,
    draft.line,
    'contradicts line ' || repeats.kept_line || ' of ' || repeats.kept_file || ': ' || difference,
    to_json({
        'exposure_id': exposure_id, 'user_id': user_id, 'item_id': item_id,
        'exposed_at': exposed_at, 'policy': policy, 'position': draft."position",
        'propensity': propensity, 'is_clicked': is_clicked, 'is_converted': is_converted,
        'context': context
    })
FROM read_parquet($draft, file_row_number => true) AS draft
JOIN repeats ON repeats.ordinal = draft.file_row_number
WHERE difference IS NOT NULL
