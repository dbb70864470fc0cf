-- Macro: a value as a reason quotes it: at most 60 characters, on one line.
CREATE OR REPLACE MACRO show_value(value) AS
    CASE
        WHEN value IS NULL THEN 'nothing'
        WHEN length(value) > 60 THEN regexp_replace(value[:60], '[[:cntrl:]]', ' ', 'g') || '…'
        ELSE regexp_replace(value, '[[:cntrl:]]', ' ', 'g')
    END
