-- Grain: one source: a fingerprint of its published reviews up to $until, of all its items and users.  $source
SELECT format(
    '{}-{:x}-{:x}',
    (
        SELECT coalesce(md5(string_agg(fingerprint, ' ' ORDER BY event_date)), '')
        FROM clean.partitions
        WHERE table_name = 'reviews' AND source = $source AND event_date <= $until::DATE
    ),
    (
        SELECT coalesce(sum(md5_number_lower(to_json(i)::VARCHAR)::HUGEINT), 0)::HUGEINT
        FROM (SELECT * EXCLUDE (drop_id, description) FROM clean.items WHERE source = $source) AS i
    ),
    (
        SELECT coalesce(sum(md5_number_lower(to_json(u)::VARCHAR)::HUGEINT), 0)::HUGEINT
        FROM (SELECT * EXCLUDE (drop_id) FROM clean.users WHERE source = $source) AS u
    )
) AS fingerprint
