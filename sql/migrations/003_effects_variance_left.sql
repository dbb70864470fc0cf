-- Warehouses made before effects were put on trial do not say how much variance the controls left.
ALTER TABLE marts.effects ADD COLUMN IF NOT EXISTS variance_left DOUBLE
