-- Macro: text as a finite or infinite DOUBLE, null when it is no number; "1,234" counts as 1234.
CREATE OR REPLACE MACRO read_number(value) AS try_cast(replace(value, ',', '') AS DOUBLE)
