-- Grain: one refused row; at most $limit a source, table and drop.  $drops (list of drop ids) $tables (those
-- of them that refused rows; the others are not looked at)
SELECT * FROM (
    SELECT * FROM quarantine.reviews WHERE list_contains($tables, 'reviews') UNION ALL
    SELECT * FROM quarantine.exposures WHERE list_contains($tables, 'exposures') UNION ALL
    SELECT * FROM quarantine.items WHERE list_contains($tables, 'items') UNION ALL
    SELECT * FROM quarantine.users WHERE list_contains($tables, 'users')
)
WHERE list_contains($drops::VARCHAR[], drop_id)
QUALIFY row_number() OVER (PARTITION BY source, table_name, drop_id ORDER BY file, line) <= $limit
ORDER BY source, table_name, drop_id, file, line
