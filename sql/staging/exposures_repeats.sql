-- Grain: one row per good row of `parsed` whose key returns later in the drop. The last one is kept;
-- `difference` says in words how a row contradicts it, and is null for an exact repetition.
-- Inputs: parsed.
CREATE TEMP TABLE repeats AS
WITH repeated AS (
    SELECT exposure_id FROM parsed WHERE reason IS NULL GROUP BY exposure_id HAVING count(*) > 1
),
compared AS (
    SELECT
        file, line, is_clicked, position,
        last_value(is_clicked) OVER later AS kept_click,
        last_value(position) OVER later AS kept_position,
        last_value(file) OVER later AS kept_file,
        last_value(line) OVER later AS kept_line
    FROM parsed
    SEMI JOIN repeated USING (exposure_id)
    WHERE reason IS NULL
    WINDOW later AS (
        PARTITION BY exposure_id ORDER BY file, line
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
SELECT
    file, line, kept_file, kept_line,
    nullif(concat_ws(', ',
            CASE WHEN is_clicked <> kept_click
                THEN 'is_clicked ' || is_clicked || ' here, ' || kept_click || ' there' END,
            CASE WHEN position <> kept_position
                THEN 'position ' || position || ' here, ' || kept_position || ' there' END
        ), '') AS difference
FROM compared
WHERE (file, line) <> (kept_file, kept_line)
