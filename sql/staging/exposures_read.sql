-- Grain: one row per row of one delivered file, good or refused, in file order.
-- Inputs: batches(line, raw, cells, problem), as in staging/reviews_read.
-- Parameters: $pointers, one place in it per field (null: no such column), $time_format,
-- $earliest_us, $latest_us, $inner_pad, $outer_pad, $source, $is_careful (see read_cells),
-- $column_names and $hidden_places (from 1: what refused rows must not show), and $packed_names with
-- $packed_places, columns gathered into `context` (empty: `context` is a column).
-- An exposure without an id of its own is identified by who was shown what, when, by which policy.
WITH found AS (
    SELECT
        line, raw, problem, cells IS NULL AS is_json,
        read_cells(raw, cells, problem, $pointers, $is_careful) AS cells
    FROM batches
),
fields AS (
    SELECT
        line, raw, problem, is_json, cells,
        read_key(cells[$exposure_id]) AS given_id,
        read_key(cells[$user_id]) AS user_id,
        read_key(cells[$item_id]) AS item_id,
        cells[$exposed_at] AS time_text,
        read_time(cells[$exposed_at], $time_format) AS at_us,
        cells[$policy] AS policy,
        nullif(cells[$position], '') AS position_text,
        nullif(cells[$propensity], '') AS propensity_text,
        read_number(cells[$propensity]) AS propensity,
        nullif(cells[$is_clicked], '') AS click_text,
        nullif(cells[$is_converted], '') AS conversion_text,
        CASE
            WHEN len($packed_names::VARCHAR[]) = 0 THEN nullif(cells[$context], '')
            WHEN cells IS NOT NULL THEN pack_members(
                $packed_names::VARCHAR[],
                list_select(cells, $packed_places::BIGINT[])
            )
        END AS context
    FROM found
),
judged AS (
    SELECT
        *,
        CASE
            WHEN problem IS NOT NULL THEN problem
            WHEN cells IS NULL THEN 'unreadable'
            WHEN is_json AND is_nested(given_id, raw, $pointers[$exposure_id])
                THEN 'exposure_id is not text: ' || show_value(if($inner_pad IS NULL, given_id, '[hidden]'))
            WHEN is_json AND is_nested(user_id, raw, $pointers[$user_id])
                THEN 'user_id is not text: ' || show_value(if($inner_pad IS NULL, user_id, '[hidden]'))
            WHEN is_json AND is_nested(item_id, raw, $pointers[$item_id])
                THEN 'item_id is not text: ' || show_value(item_id)
            WHEN is_json AND is_nested(policy, raw, $pointers[$policy])
                THEN 'policy is not text: ' || show_value(policy)
            WHEN contains(concat_ws(' ', given_id, user_id, item_id, policy), chr(0))
                THEN 'NUL character: text may not hold one'
            WHEN user_id IS NULL THEN 'missing user_id: every row needs one'
            WHEN item_id IS NULL THEN 'missing item_id: every row needs one'
            WHEN click_text IS NULL THEN 'missing is_clicked: every row needs one'
            WHEN read_flag(click_text) IS NULL
                THEN 'is_clicked is not a flag: ' || show_value(click_text)
            WHEN conversion_text IS NOT NULL AND read_flag(conversion_text) IS NULL
                THEN 'is_converted is not a flag: ' || show_value(conversion_text)
            WHEN propensity_text IS NOT NULL AND propensity IS NULL
                THEN 'propensity is not a number: ' || show_value(propensity_text)
            WHEN propensity_text IS NOT NULL AND NOT (propensity > 0 AND propensity <= 1)
                THEN 'propensity out of range: ' || show_value(propensity_text)
                    || ' is not above 0 and at most 1'
            WHEN context IS NOT NULL AND (
                NOT json_valid(context) OR coalesce(json_type(context), '') <> 'OBJECT'
            )
                THEN 'context is not an object: ' || show_value(context)
            WHEN read_number(position_text) > 2147483647
                THEN 'position is not a count: ' || show_value(position_text)
            ELSE coalesce(
                explain_time('exposed_at', time_text, at_us, $earliest_us, $latest_us),
                explain_count('position', position_text)
            )
        END AS reason
    FROM fields
),
private AS (
    SELECT
        line, reason, raw, cells, at_us, item_id, policy, position_text, propensity,
        click_text, conversion_text, context,
        hash_user(given_id, $inner_pad, $outer_pad) AS given_id,
        hash_user(user_id, $inner_pad, $outer_pad) AS user_id,
        CASE WHEN reason IS NULL THEN make_timestamp(at_us) END AS at_utc
    FROM judged
)
SELECT
    coalesce(given_id, sha256(concat_ws(
        chr(31), $source, user_id, item_id,
        strftime(at_utc, '%Y-%m-%dT%H:%M:%S.%fZ'), coalesce(policy, '')
    ))[:32]) AS exposure_id,
    user_id,
    item_id,
    CASE WHEN reason IS NULL THEN make_timestamptz(at_us) END AS exposed_at,
    at_utc::DATE AS event_date,
    policy,
    try_cast(read_number(position_text) AS INTEGER) AS position,
    propensity,
    read_flag(click_text) AS is_clicked,
    read_flag(conversion_text) AS is_converted,
    context,
    line,
    reason,
    CASE WHEN reason IS NOT NULL THEN coalesce(raw, show_cells($column_names, cells, $hidden_places)) END AS raw_text
FROM private
