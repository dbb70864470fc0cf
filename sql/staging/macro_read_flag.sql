-- Macro: text as BOOLEAN, null when it is neither a usual "yes" nor a usual "no".
CREATE OR REPLACE TEMP MACRO read_flag(value) AS
    CASE
        WHEN value IN ('true', 'True', '1') THEN true
        WHEN value IN ('false', 'False', '0') THEN false
        WHEN lower(trim(value)) IN ('true', 't', 'yes', 'y', '1', '1.0') THEN true
        WHEN lower(trim(value)) IN ('false', 'f', 'no', 'n', '0', '0.0') THEN false
    END
