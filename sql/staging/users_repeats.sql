-- Grain: one row per good row of `parsed` whose key returns later in the drop. The last one is kept:
-- a later description replaces an earlier one, so that nothing contradicts.
-- Inputs: parsed.
CREATE TEMP TABLE repeats AS
WITH repeated AS (
    SELECT user_id FROM parsed WHERE reason IS NULL GROUP BY user_id HAVING count(*) > 1
),
compared AS (
    SELECT
        file, line,
        last_value(file) OVER later AS kept_file,
        last_value(line) OVER later AS kept_line
    FROM parsed
    SEMI JOIN repeated USING (user_id)
    WHERE reason IS NULL
    WINDOW later AS (
        PARTITION BY user_id ORDER BY file, line
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
SELECT file, line, kept_file, kept_line, NULL::VARCHAR AS difference
FROM compared
WHERE (file, line) <> (kept_file, kept_line)
