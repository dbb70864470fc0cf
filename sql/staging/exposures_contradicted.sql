-- Grain: one row per row of `parsed` that a later row of the drop contradicts, as refused rows.
-- Inputs: parsed, repeats, files. The raw text is the row itself, after the privacy rules.
INSERT INTO refused
SELECT
    parsed.file,
    parsed.line,
    'contradicts line ' || repeats.kept_line || ' of ' || files.name || ': ' || difference,
    to_json(struct_pack(
        exposure_id := exposure_id, user_id := user_id, item_id := item_id,
        exposed_at := exposed_at, policy := policy, position := position,
        propensity := propensity, is_clicked := is_clicked, is_converted := is_converted,
        context := context
    ))
FROM parsed
JOIN repeats ON parsed.file = repeats.file AND parsed.line = repeats.line
JOIN files ON repeats.kept_file = files.file
WHERE difference IS NOT NULL
