-- Macro: true when a member of a JSON line that should be text is a list or an object. Only text
-- that looks like one is looked up in the line again.
CREATE OR REPLACE MACRO is_nested(value, raw, pointer) AS
    CASE
        WHEN starts_with(value, '[') OR starts_with(value, '{')
            THEN coalesce(regexp_full_match(json_type(raw, pointer), 'ARRAY|OBJECT'), false)
        ELSE false
    END
