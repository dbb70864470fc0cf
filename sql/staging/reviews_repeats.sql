-- Grain: one row per accepted row whose key returns later in the drop. The last one is kept;
-- `difference` says in words how a row contradicts it, and is null for an exact repetition.
-- Which rows are the same review: `review_key`.
-- Parameters: $draft (Parquet file of all accepted rows, in file order).
-- Short hashes find the few candidates first: they take a quarter of the memory of keys.
CREATE TABLE repeats AS
WITH keys AS (
    SELECT
        review_key(review_id, user_id, item_id, reviewed_at) AS key,
        file_row_number AS ordinal, file, line, rating, hash(text_sha256) AS text_hash
    FROM read_parquet($draft, file_row_number => true)
),
repeated AS (
    SELECT hash(key) AS bucket FROM keys GROUP BY bucket HAVING count(*) > 1
),
compared AS (
    SELECT
        ordinal, file, line, rating, text_hash,
        last_value(text_hash) OVER later AS kept_text_hash,
        last_value(rating) OVER later AS kept_rating,
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
SELECT
    ordinal, file, line, kept_file, kept_line,
    nullif(concat_ws(
        ' and ',
        CASE WHEN rating <> kept_rating THEN 'rating ' || rating || ' here, ' || kept_rating || ' there' END,
        CASE WHEN text_hash <> kept_text_hash THEN 'another text there' END
    ), '') AS difference
FROM compared
WHERE ordinal <> kept_ordinal
