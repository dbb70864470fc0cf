-- Grain: one row per accepted row whose key returns later in the drop. The last one is kept:
-- a later description replaces an earlier one, so that nothing contradicts.
-- Parameters: $draft (Parquet file of all accepted rows, in file order).
-- Short hashes find the few candidates first: they take a quarter of the memory of keys.
CREATE TABLE repeats AS
WITH keys AS (
    SELECT item_id AS key, file_row_number AS ordinal, file, line
    FROM read_parquet($draft, file_row_number => true)
),
repeated AS (
    SELECT hash(key) AS bucket FROM keys GROUP BY bucket HAVING count(*) > 1
),
compared AS (
    SELECT
        ordinal, file, line,
        last_value(ordinal) OVER later AS kept_ordinal,
        last_value(file) OVER later AS kept_file,
        last_value(line) OVER later AS kept_line
    FROM keys
    SEMI JOIN repeated ON hash(keys.key) = repeated.bucket
    WINDOW later AS (
        PARTITION BY key ORDER BY ordinal
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
)
SELECT ordinal, file, line, kept_file, kept_line, NULL::VARCHAR AS difference
FROM compared
WHERE ordinal <> kept_ordinal
