-- Grain: one published day of one source's reviews: a fingerprint of the items and users that they are of,
-- so that a new item does not touch the days that never met it.  $source $as_of
WITH days AS (
    SELECT event_date, user_id, item_id FROM clean.reviews WHERE source = $source AND event_date <= $as_of::DATE
),
item_hashes AS (
    SELECT item_id, md5_number_lower(to_json(i)::VARCHAR)::HUGEINT AS h
    FROM (SELECT * EXCLUDE (drop_id) FROM clean.items WHERE source = $source) AS i
),
user_hashes AS (
    SELECT user_id, md5_number_lower(to_json(u)::VARCHAR)::HUGEINT AS h
    FROM (SELECT * EXCLUDE (drop_id) FROM clean.users WHERE source = $source) AS u
)
SELECT
    event_date,
    format('{:x}-{:x}', coalesce(sum(item_hashes.h), 0)::HUGEINT, coalesce(sum(user_hashes.h), 0)::HUGEINT) AS fingerprint
FROM days LEFT JOIN item_hashes USING (item_id) LEFT JOIN user_hashes USING (user_id)
GROUP BY event_date
ORDER BY event_date
