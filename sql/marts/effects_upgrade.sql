-- Warehouses of version 0.1 have no estimand column.
ALTER TABLE marts.effects ADD COLUMN IF NOT EXISTS estimand VARCHAR
