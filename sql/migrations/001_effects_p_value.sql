-- Warehouses made before effects were put on trial have no p-value.
ALTER TABLE marts.effects ADD COLUMN IF NOT EXISTS p_value DOUBLE
