-- Macro: a time written in another of ISO 8601's ways, as DuckDB reads it: blanks around it, the basic format
-- (20240301T100000Z), small letters t and z, a blank before the offset.
CREATE OR REPLACE MACRO mend_time(value) AS
    regexp_replace(
        regexp_replace(
            regexp_replace(
                upper(trim(value, chr(9) || ' ')),
                '^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})', '\1-\2-\3T\4:\5:\6'
            ),
            '(:\d{2}(?:\.\d+)?) +([+-]\d{2}(?::?\d{2})?)$', '\1\2'
        ),
        '^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}.*[+-]\d{2})(\d{2})$', '\1T\2:\3'
    )
