-- Grain: one row per accepted row whose key returns later in the drop. The last one is kept:
-- a later description replaces an earlier one, so that nothing contradicts.
-- Inputs: keys.
CREATE TABLE repeats AS
WITH repeated AS (
    SELECT key FROM keys GROUP BY key HAVING count(*) > 1
),
compared AS (
    SELECT
        ordinal, place, line,
        last_value(ordinal) OVER later AS kept_ordinal,
        last_value(place) OVER later AS kept_place,
        last_value(line) OVER later AS kept_line
    FROM keys
    SEMI JOIN repeated USING (key)
    WINDOW later AS (
        PARTITION BY key ORDER BY ordinal
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
SELECT ordinal, place, line, kept_place, kept_line, NULL::VARCHAR AS difference
FROM compared
WHERE ordinal <> kept_ordinal
