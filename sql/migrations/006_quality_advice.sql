-- Warehouses of the first version do not say what to do about a failed check.
ALTER TABLE marts.quality ADD COLUMN IF NOT EXISTS advice VARCHAR
