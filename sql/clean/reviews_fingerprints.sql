-- Grain: one published day of reviews; the fingerprint is a sum of row hashes, so row order does not matter.
-- $source $dates
SELECT
    event_date, count(*) AS row_count,
    format('{}-{:x}', count(*), sum(md5_number_lower(to_json(r)::VARCHAR)::HUGEINT)::HUGEINT) AS fingerprint
FROM (
    SELECT * EXCLUDE (drop_id, text)
    FROM clean.reviews
    WHERE source = $source AND event_date IN (SELECT unnest($dates::DATE[]))
) AS r
GROUP BY event_date
ORDER BY event_date
