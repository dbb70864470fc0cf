-- Macro: text as BOOLEAN, null when it is neither a usual "yes" nor a usual "no". (Written without IN:
-- DuckDB turns longer IN lists into joins, which would cost the order of the rows.)
CREATE OR REPLACE MACRO read_flag(value) AS
    CASE
        WHEN value = 'true' THEN true
        WHEN value = 'false' THEN false
        WHEN regexp_full_match(value, '(?i)\s*(true|t|yes|y|1|1\.0)\s*') THEN true
        WHEN regexp_full_match(value, '(?i)\s*(false|f|no|n|0|0\.0)\s*') THEN false
    END
