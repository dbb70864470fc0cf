-- Grain: one row per refused row of the drop. Inputs: parsed. `raw_text` has persons' names (and,
-- with $hidden, other members) struck out, and contacts masked where $mask_contacts.
-- Parameters: $hidden (RE2 pattern), $mask_contacts.
INSERT INTO refused
SELECT
    file,
    line,
    CASE WHEN reason = 'unreadable' THEN explain_line(raw_text) ELSE reason END,
    regexp_replace(
        replace(
            CASE WHEN $mask_contacts THEN mask_contacts(raw_text) ELSE raw_text END,
            chr(0), '\x00'
        ),
        $hidden, '\1"[hidden]"', 'g'
    )
FROM parsed
WHERE reason IS NOT NULL
