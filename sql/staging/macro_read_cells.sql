-- Macro: the members of a JSON line that `pointers` name, as texts; the cells of a table as they are; null when a line
-- holds no object. What looks whole is parsed once, and ends the statement with an error when it is not; with
-- `is_careful` nothing ends it, but `try` copies every text once more, a fifth of the statement's time.
CREATE OR REPLACE MACRO read_cells(raw, cells, problem, pointers, is_careful) AS
    CASE
        WHEN NOT is_careful AND problem IS NULL AND cells IS NULL AND starts_with(raw, '{')
            AND (ends_with(raw, '}' || chr(10)) OR ends_with(raw, '}' || chr(13) || chr(10)))
            THEN json_extract_string(raw, pointers)
        WHEN problem IS NOT NULL THEN NULL
        WHEN cells IS NOT NULL THEN cells
        WHEN starts_with(ltrim(raw, chr(9) || ' '), '{') AND (is_careful OR json_valid(raw))
            THEN try(json_extract_string(raw, pointers))
    END
