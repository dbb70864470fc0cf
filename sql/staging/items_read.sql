-- Grain: one row per row of one delivered file, good or refused, in file order.
-- Inputs: batches(line, raw, cells, problem), as in staging/reviews_read.
-- Parameters: $pointers, one place in it per field (null: no such column), $is_careful
-- (see read_cells), $column_names and $hidden_places (from 1: what refused rows must not show). Text is masked outside.
-- A price that cannot be read ("", a range, markup) is null: shops leave them out freely. Of a category path the second level is kept: the first is the same for a whole file, deeper ones
-- are often not categories at all.
WITH found AS (
    SELECT
        line, raw, problem, cells IS NULL AS is_json,
        read_cells(raw, cells, problem, $pointers, $is_careful) AS cells
    FROM batches
),
fields AS (
    SELECT
        line, raw, problem, is_json, cells,
        coalesce(read_key(cells[$item_id]), read_key(cells[$item_id_other])) AS item_id,
        nullif(cells[$title], '') AS title,
        nullif(cells[$description], '') AS description,
        read_key(cells[$brand]) AS brand,
        read_key(cells[$category]) AS category,
        read_key(cells[$category_other]) AS category_other,
        regexp_extract(
            trim(cells[$price_usd]), '^(?:US *)?\$? *([0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?)$', 1
        ) AS price_text
    FROM found
),
listed AS (
    SELECT
        * EXCLUDE (description, category, category_other),
        CASE
            WHEN starts_with(description, '[') AND json_valid(description)
                AND json_type(description) = 'ARRAY'
                THEN nullif(array_to_string(from_json(description, '["VARCHAR"]'), ' '), '')
            ELSE description
        END AS description,
        CASE
            WHEN starts_with(category, '[[') AND json_valid(category)
                THEN from_json(json_extract(category, '$[0]'), '["VARCHAR"]')
            WHEN starts_with(category, '[') AND json_valid(category)
                THEN from_json(category, '["VARCHAR"]')
            WHEN category IS NOT NULL THEN [category]
        END AS path,
        CASE WHEN NOT starts_with(category_other, '<') THEN category_other END AS category_other
    FROM fields
),
judged AS (
    SELECT
        *,
        CASE
            WHEN problem IS NOT NULL THEN problem
            WHEN cells IS NULL THEN 'unreadable'
            WHEN is_json AND is_nested(item_id, raw, $pointers[$item_id])
                THEN 'item_id is not text: ' || show_value(item_id)
            WHEN is_json AND is_nested(title, raw, $pointers[$title])
                THEN 'title is not text: ' || show_value(title)
            WHEN is_json AND is_nested(brand, raw, $pointers[$brand])
                THEN 'brand is not text: ' || show_value(brand)
            WHEN item_id IS NULL THEN 'missing item_id: every row needs one'
            WHEN contains(concat_ws(' ', item_id, title, brand, description), chr(0))
                THEN 'NUL character: text may not hold one'
        END AS reason
    FROM listed
)
SELECT
    item_id,
    title,
    description,
    brand,
    coalesce(read_key(path[2]), read_key(path[1]), category_other) AS category,
    CASE WHEN isfinite(read_number(price_text)) THEN read_number(price_text) END AS price_usd,
    line,
    reason,
    CASE WHEN reason IS NOT NULL THEN coalesce(raw, show_cells($column_names, cells, $hidden_places)) END AS raw_text
FROM judged
