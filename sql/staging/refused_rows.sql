-- Grain: one row per refused row of a batch, added to the refused ones. `raw_text` has persons' names
-- (and what else $hidden matches) struck out, and contacts masked where $mask_contacts.
-- Inputs: rejected(file, line, reason, raw_text), files. Parameters: $hidden (RE2 pattern),
-- $mask_contacts.
INSERT INTO refused
SELECT
    files.place,
    line,
    CASE WHEN reason = 'unreadable' THEN explain_line(raw_text) ELSE reason END,
    regexp_replace(
        replace(
            CASE WHEN $mask_contacts THEN mask_contacts(raw_text) ELSE raw_text END,
            chr(0), '\x00'
        ),
        $hidden, '\1"[hidden]"', 'g'
    )
FROM rejected
JOIN files ON files.name = rejected.file
