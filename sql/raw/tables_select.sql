-- Grain: one table of the warehouse.
SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = 'wh'
