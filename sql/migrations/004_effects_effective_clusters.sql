-- Warehouses made before effects were put on trial do not count effective clusters.
ALTER TABLE marts.effects ADD COLUMN IF NOT EXISTS effective_clusters DOUBLE
