-- Grain: one row per row of one delivered file, good or refused, in file order.
-- Inputs: batches(line, raw, cells, problem), as in staging/reviews_read.
-- Parameters: $pointers, one place in it per field (null: no such column), $inner_pad, $outer_pad,
-- $is_careful (see read_cells), $column_names and $hidden_places (from 1: what refused rows must not show),
-- and $packed_names with $packed_places, columns gathered into `features`.
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
        CASE
            WHEN len($packed_names::VARCHAR[]) = 0 THEN nullif(cells[$features], '')
            WHEN cells IS NOT NULL THEN pack_members(
                $packed_names::VARCHAR[],
                list_select(cells, $packed_places::BIGINT[])
            )
        END AS features
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
            WHEN user_id IS NULL THEN 'missing user_id: every row needs one'
            WHEN contains(user_id, chr(0)) THEN 'NUL character: text may not hold one'
            WHEN features IS NOT NULL AND (
                NOT json_valid(features) OR coalesce(json_type(features), '') <> 'OBJECT'
            )
                THEN 'features is not an object: ' || show_value(features)
        END AS reason
    FROM fields
)
SELECT
    hash_user(user_id, $inner_pad, $outer_pad) AS user_id,
    features,
    line,
    reason,
    CASE WHEN reason IS NOT NULL THEN coalesce(raw, show_cells($column_names, cells, $hidden_places)) END AS raw_text
FROM judged
