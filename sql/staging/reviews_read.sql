-- Grain: one row per row of one delivered file, good or refused, in file order.
-- Inputs: batches(line, raw, cells, problem): a line of JSON in `raw`, or the cells of a table
-- in `cells`; `problem` says why a line could not be read at all.
-- Parameters: $pointers (JSON pointers of the columns read), one place in that list per field (null
-- when the format has no such column), $time_format, $earliest_us, $latest_us, $inner_pad,
-- $outer_pad (null: user ids stay), $is_careful (see read_cells),
-- $column_names and $hidden_places (from 1: what refused rows must not show).
-- Outside text is masked, the row hashed into review_id, and said which source, drop and file it is of.
-- Of a CASE whose first condition holds for all of 2,048 rows nothing is copied: the usual comes first.
-- Refused rows carry `reason` ("kind: detail") and `raw_text`; "unreadable" is explained later.
WITH found AS (
    SELECT
        line, raw, problem, cells IS NULL AS is_json,
        read_cells(raw, cells, problem, $pointers, $is_careful) AS cells
    FROM batches
),
fields AS (
    SELECT
        line, raw, problem, is_json, cells,
        read_key(cells[$user_id]) AS user_id,
        coalesce(read_key(cells[$item_id]), read_key(cells[$item_id_other])) AS item_id,
        coalesce(nullif(cells[$reviewed_at], ''), cells[$reviewed_at_other]) AS time_text,
        CASE
            WHEN cells[$reviewed_at] <> '' THEN read_time(cells[$reviewed_at], $time_format)
            WHEN cells[$reviewed_at_other] IS NOT NULL THEN coalesce(
                epoch_us(try_strptime(cells[$reviewed_at_other], '%m %d, %Y')),
                read_time(cells[$reviewed_at_other], $time_format)
            )
        END AS at_us,
        cells[$rating] AS rating_text,
        read_number(cells[$rating]) AS rating,
        cells[$title] AS title,
        coalesce(cells[$text], '') AS text,
        cells[$helpful_votes] AS helpful_text,
        cells[$total_votes] AS total_text,
        CASE
            WHEN cells[$helpful_pair] IS NOT NULL
                THEN regexp_extract_all(cells[$helpful_pair], '[^][," ]+')
        END AS pair,
        cells[$helpful_pair] AS pair_text,
        nullif(cells[$is_verified], '') AS flag_text
    FROM found
),
judged AS (
    SELECT
        *,
        CASE
            WHEN problem IS NOT NULL THEN problem
            WHEN cells IS NULL THEN 'unreadable'
            WHEN is_json AND is_nested(user_id, raw, $pointers[$user_id])
                THEN 'user_id is not text: ' || show_value(if($inner_pad IS NULL, user_id, '[hidden]'))
            WHEN is_json AND is_nested(item_id, raw, $pointers[$item_id])
                THEN 'item_id is not text: ' || show_value(item_id)
            WHEN is_json AND is_nested(title, raw, $pointers[$title])
                THEN 'title is not text: ' || show_value(title)
            WHEN is_json AND is_nested(text, raw, $pointers[$text])
                THEN 'text is not text: ' || show_value(text)
            WHEN user_id IS NULL THEN 'missing user_id: every row needs one'
            WHEN item_id IS NULL THEN 'missing item_id: every row needs one'
            WHEN rating BETWEEN 1 AND 5
                AND at_us >= $earliest_us AND at_us < $latest_us
                AND pair_text IS NULL AND helpful_text IS NULL AND total_text IS NULL
                AND (flag_text IS NULL OR read_flag(flag_text) IS NOT NULL)
                AND (NOT is_json OR NOT contains(raw, '\u0000'))
                THEN NULL
            WHEN is_json AND contains(raw, '\u0000')
                AND contains(concat_ws(' ', user_id, item_id, title, text), chr(0))
                THEN 'NUL character: text may not hold one'
            WHEN rating_text IS NULL OR trim(rating_text) = ''
                THEN 'missing rating: every row needs one'
            WHEN rating IS NULL THEN 'rating is not a number: ' || show_value(rating_text)
            WHEN NOT rating BETWEEN 1 AND 5
                THEN 'rating out of range: ' || show_value(rating_text) || ' is not within 1 to 5'
            WHEN pair_text IS NOT NULL AND pair_text <> ''
                AND (len(pair) <> 2 OR NOT starts_with(pair_text, '['))
                THEN 'helpful is not a pair of counts: ' || show_value(pair_text)
            ELSE coalesce(
                explain_time('reviewed_at', time_text, at_us, $earliest_us, $latest_us),
                explain_count('helpful_votes', coalesce(helpful_text, pair[1])),
                explain_count('total_votes', coalesce(total_text, pair[2])),
                CASE
                    WHEN flag_text IS NOT NULL AND read_flag(flag_text) IS NULL
                        THEN 'is_verified is not a flag: ' || show_value(flag_text)
                END
            )
        END AS reason
    FROM fields
)
SELECT
    hash_user(user_id, $inner_pad, $outer_pad) AS user_id,
    item_id,
    CASE WHEN reason IS NULL THEN make_timestamptz(at_us) END AS reviewed_at,
    CASE WHEN reason IS NULL THEN make_timestamp(at_us) END::DATE AS event_date,
    rating,
    title,
    text,
    CASE
        WHEN reason IS NULL THEN read_number(coalesce(helpful_text, pair[1]))
    END::BIGINT AS helpful_votes,
    CASE
        WHEN reason IS NULL THEN read_number(coalesce(total_text, pair[2]))
    END::BIGINT AS total_votes,
    read_flag(flag_text) AS is_verified,
    line,
    reason,
    CASE WHEN reason IS NOT NULL THEN coalesce(raw, show_cells($column_names, cells, $hidden_places)) END AS raw_text
FROM judged
