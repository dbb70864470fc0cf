-- Grain: one row: what the accepted reviews of a dated drop look like, to compare later days with.
-- Parameters: $path (its staged file), $drop_id (its date), $n_ids and $n_words (how many to keep of each), $n_texts (of
-- so many rows words are counted). Of ids the smallest hashes are kept: samples of two days that can be compared.
WITH drafted AS (
    SELECT
        *, epoch_us(reviewed_at) // 3600000000 % 24 AS hour_of_day, trim(text) = '' AS is_empty,
        regexp_matches(text, 'Ã[\x{80}-\x{BF}]|Â[\x{80}-\x{BF}]|â€|\x{FFFD}') AS is_garbled
    FROM read_parquet($path, file_row_number => true)
),
words AS (
    SELECT word, count(*) AS n
    FROM (
        SELECT unnest(regexp_extract_all(lower(text), '\pL+')) AS word
        FROM drafted WHERE file_row_number < $n_texts
    )
    GROUP BY word
)
SELECT
    count(*) AS n_rows,
    count(*) FILTER (event_date::VARCHAR = $drop_id) AS n_own_day,
    count(*) FILTER (is_empty) AS n_empty,
    count(*) FILTER (is_garbled) AS n_garbled,
    histogram(round(rating)::INTEGER) AS ratings,
    histogram(hour_of_day::INTEGER) AS hours,
    (SELECT max(n) FROM (SELECT count(*) AS n FROM drafted GROUP BY user_id)) AS n_top_user,
    (SELECT max(n) FROM (SELECT count(*) AS n FROM drafted GROUP BY item_id)) AS n_top_item,
    (SELECT max(n) FROM (SELECT count(*) AS n FROM drafted WHERE NOT is_empty GROUP BY text_sha256)) AS n_top_text,
    min(DISTINCT (md5_number_lower(review_id) >> 12)::BIGINT, $n_ids) AS keys,
    min(DISTINCT (md5_number_lower(user_id) >> 12)::BIGINT, $n_ids) AS users,
    min(DISTINCT (md5_number_lower(item_id) >> 12)::BIGINT, $n_ids) AS items,
    (SELECT coalesce(sum(n), 0)::BIGINT FROM words) AS n_words,
    (
        SELECT list(struct_pack(word := word, n := n) ORDER BY n DESC, word)
        FROM (SELECT * FROM words ORDER BY n DESC, word LIMIT $n_words)
    ) AS words
FROM drafted
