-- Grain: one refused row; at most $limit a source, table and drop.  $drops (list of drop ids)
SELECT * FROM (
    SELECT * FROM quarantine.reviews UNION ALL SELECT * FROM quarantine.exposures
    UNION ALL SELECT * FROM quarantine.items UNION ALL SELECT * FROM quarantine.users
)
WHERE drop_id IN (SELECT unnest($drops::VARCHAR[]))
QUALIFY row_number() OVER (PARTITION BY source, table_name, drop_id ORDER BY file, line) <= $limit
ORDER BY source, table_name, drop_id, file, line
