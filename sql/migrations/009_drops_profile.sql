-- Warehouses made before drops were compared by their values do not know what those drops looked like.
ALTER TABLE raw.drops ADD COLUMN IF NOT EXISTS profile VARCHAR
