-- Warehouses made before estimands were named have no such column.
ALTER TABLE marts.effects ADD COLUMN IF NOT EXISTS estimand VARCHAR
