-- Warehouses made before effects were put on trial have no robustness value.
ALTER TABLE marts.effects ADD COLUMN IF NOT EXISTS robustness_value DOUBLE
