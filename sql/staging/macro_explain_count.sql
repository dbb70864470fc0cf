-- Macro: why an optional whole number is refused, null when it is good or absent.
CREATE OR REPLACE MACRO explain_count(name, value) AS
    CASE
        WHEN value IS NULL OR regexp_full_match(value, '[0-9]{1,9}') OR trim(value) = '' THEN NULL
        WHEN read_number(value) IS NULL OR NOT isfinite(read_number(value))
            THEN name || ' is not a number: ' || show_value(value)
        WHEN read_number(value) < 0 THEN name || ' is negative: ' || show_value(value)
        WHEN read_number(value) <> floor(read_number(value)) OR read_number(value) > 1e12
            THEN name || ' is not a count: ' || show_value(value)
    END
