-- Macro: text as a finite or infinite DOUBLE, null when it is no number. A comma groups thousands
-- ("1,234", "12,34,567.8") or else stands before the decimals, as in much of Europe ("12,50", "0,125",
-- "1.234,50"); taking it away there would make a price a hundred times what it is.
CREATE OR REPLACE MACRO read_number(value) AS
    CASE
        WHEN NOT contains(value, ',') THEN try_cast(value AS DOUBLE)
        WHEN regexp_full_match(
            trim(value), '[+-]?[1-9][0-9]{0,2}(,[0-9]{2,3})*,[0-9]{3}(\.[0-9]*)?([eE][+-]?[0-9]+)?'
        ) THEN try_cast(replace(value, ',', '') AS DOUBLE)
        WHEN regexp_full_match(trim(value), '[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+')
            THEN try_cast(replace(replace(value, '.', ''), ',', '.') AS DOUBLE)
    END
