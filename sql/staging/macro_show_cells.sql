-- Macro: the cells of a row of a table as the text of a JSON object, for the quarantine; those in the places `hidden`
-- (from 1) are struck out.
CREATE OR REPLACE MACRO show_cells(names, cells, hidden) AS
    to_json(map(
        names::VARCHAR[],
        list_transform(
            cells,
            lambda cell, place: CASE
                WHEN cell IS NOT NULL AND list_contains(hidden::BIGINT[], place) THEN '[hidden]' ELSE cell
            END
        )
    ))::VARCHAR
