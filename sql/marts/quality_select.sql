-- Grain: one check of one drop.  $drops (list of drop ids)
SELECT * FROM marts.quality WHERE drop_id IN (SELECT unnest($drops::VARCHAR[]))
ORDER BY source, drop_id, table_name, severity, expectation, column_name
