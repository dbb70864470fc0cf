-- Grain: one row per good row of `parsed` whose key returns later in the drop. The last one is kept;
-- `difference` says in words how a row contradicts it, and is null for an exact repetition.
-- Inputs: parsed.
CREATE TEMP TABLE repeats AS
WITH repeated AS (
    SELECT review_id FROM parsed WHERE reason IS NULL GROUP BY review_id HAVING count(*) > 1
),
compared AS (
    SELECT
        file, line, rating,
        last_value(rating) OVER later AS kept_rating,
        last_value(file) OVER later AS kept_file,
        last_value(line) OVER later AS kept_line
    FROM parsed
    SEMI JOIN repeated USING (review_id)
    WHERE reason IS NULL
    WINDOW later AS (
        PARTITION BY review_id ORDER BY file, line
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
SELECT
    file, line, kept_file, kept_line,
    nullif(CASE WHEN rating <> kept_rating
            THEN 'rating ' || rating || ' here, ' || kept_rating || ' there' END, '') AS difference
FROM compared
WHERE (file, line) <> (kept_file, kept_line)
