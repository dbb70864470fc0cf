-- Grain: one row per accepted row whose key returns later in the drop. The last one is kept;
-- `difference` says in words how a row contradicts it, and is null for an exact repetition.
-- An id that another user, item or day bears too is no repetition: a whole list that was shown, or a counter of the day.
-- Parameters: $draft (Parquet file of all accepted rows, in file order).
-- Short hashes find the few candidates first: they take a quarter of the memory of keys.
CREATE TABLE repeats AS
WITH keys AS (
    SELECT
        exposure_id AS key, file_row_number AS ordinal, file, line, is_clicked, "position", event_date,
        hash(user_id) AS user_hash, hash(item_id) AS item_hash
    FROM read_parquet($draft, file_row_number => true)
),
repeated AS (
    SELECT hash(key) AS bucket FROM keys GROUP BY bucket HAVING count(*) > 1
),
compared AS (
    SELECT
        ordinal, file, line, is_clicked, "position", event_date, user_hash, item_hash,
        last_value(event_date) OVER later AS kept_date,
        last_value(user_hash) OVER later AS kept_user_hash,
        last_value(item_hash) OVER later AS kept_item_hash,
        last_value(is_clicked) OVER later AS kept_click,
        last_value("position") OVER later AS kept_position,
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
    nullif(concat_ws(', ',
            CASE WHEN user_hash <> kept_user_hash THEN 'another user there' END,
            CASE WHEN item_hash <> kept_item_hash THEN 'another item there' END,
            CASE WHEN event_date <> kept_date THEN 'on ' || event_date || ' here, ' || kept_date || ' there' END,
            CASE WHEN is_clicked <> kept_click
                THEN 'is_clicked ' || is_clicked || ' here, ' || kept_click || ' there' END,
            CASE WHEN "position" <> kept_position
                THEN 'position ' || "position" || ' here, ' || kept_position || ' there' END
        ), '') AS difference
FROM compared
WHERE ordinal <> kept_ordinal
