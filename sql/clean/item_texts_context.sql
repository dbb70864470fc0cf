-- Grain: one published day of one source on which an item with a text was reviewed: a fingerprint of
-- these texts.  $source $as_of
WITH met AS (
    SELECT DISTINCT event_date, item_id FROM clean.reviews
    WHERE source = $source AND event_date <= $as_of::DATE
),
texts AS (
    SELECT item_id, md5_number_lower(to_json([item_id, title, description])::VARCHAR)::HUGEINT AS h
    FROM clean.items
    WHERE source = $source AND (trim(title) <> '' OR trim(description) <> '')
)
SELECT event_date, format('{:x}', sum(texts.h)::HUGEINT) AS fingerprint
FROM met JOIN texts USING (item_id)
GROUP BY event_date
ORDER BY event_date
