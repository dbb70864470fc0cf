-- Macro: an identifier without the blanks around it, null when nothing is left, or one of the words that libraries
-- write for nothing: all rows without a user would else be of one user called nan.
-- Of five letters on there is no such word. Most have no blanks around them: to see that takes a quarter of what trim does.
-- A list, since DuckDB makes a join of a long IN, and rows come out of that in another order.
CREATE OR REPLACE MACRO read_key(value) AS
    CASE
        WHEN strlen(value) > 4 AND ascii(value) > ascii(' ') AND NOT ends_with(value, ' ')
            AND NOT ends_with(value, chr(9)) AND NOT ends_with(value, chr(10)) AND NOT ends_with(value, chr(13))
            THEN value
        WHEN strlen(trim(value, ' ' || chr(9) || chr(10) || chr(13))) > 4
            THEN trim(value, ' ' || chr(9) || chr(10) || chr(13))
        WHEN NOT list_contains(
                ['', 'nan', 'NaN', 'None', 'null', 'NULL', '<NA>', 'NaT'],
                trim(value, ' ' || chr(9) || chr(10) || chr(13))
            )
            THEN trim(value, ' ' || chr(9) || chr(10) || chr(13))
    END
