-- Warehouses made before deliveries could be taken back do not know which files they published.
ALTER TABLE raw.drops ADD COLUMN IF NOT EXISTS fingerprint VARCHAR
