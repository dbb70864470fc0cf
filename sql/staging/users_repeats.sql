-- Grain: one row per accepted row whose key returns later in the drop. The last one is kept:
-- a later description replaces an earlier one, so that nothing contradicts.
-- Parameters: $draft (Parquet file of all accepted rows, in file order).
CREATE TABLE repeats AS
WITH keys AS (
    SELECT user_id AS key, file_row_number AS ordinal, file, line
    FROM read_parquet($draft, file_row_number => true)
),
repeated AS (
    SELECT key FROM keys GROUP BY key HAVING count(*) > 1
),
compared AS (
    SELECT
        ordinal, file, line,
        last_value(ordinal) OVER later AS kept_ordinal,
        last_value(file) OVER later AS kept_file,
        last_value(line) OVER later AS kept_line
    FROM keys
    SEMI JOIN repeated USING (key)
    WINDOW later AS (
        PARTITION BY key ORDER BY ordinal
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
SELECT ordinal, file, line, kept_file, kept_line, NULL::VARCHAR AS difference
FROM compared
WHERE ordinal <> kept_ordinal
