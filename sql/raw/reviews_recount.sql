-- Grain: one drop of one source; how many of its reviews rows are the published ones.
-- What was accepted and is not published stands in a newer drop: it is a duplicate.  $source
UPDATE raw.drops
SET rows_published = counted.n, rows_duplicate = raw.drops.rows_read - raw.drops.rows_quarantined - counted.n
FROM (
    SELECT d.drop_id, count(c.drop_id) AS n
    FROM raw.drops AS d LEFT JOIN clean.reviews AS c ON c.source = d.source AND c.drop_id = d.drop_id
    WHERE d.source = $source AND d.table_name = 'reviews'
    GROUP BY d.drop_id
) AS counted
WHERE raw.drops.source = $source AND raw.drops.table_name = 'reviews' AND raw.drops.drop_id = counted.drop_id
    AND (raw.drops.rows_published <> counted.n
        OR raw.drops.rows_duplicate <> raw.drops.rows_read - raw.drops.rows_quarantined - counted.n)
