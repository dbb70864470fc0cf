-- Warehouses of the first version do not say why a check was skipped.
ALTER TABLE marts.quality ADD COLUMN IF NOT EXISTS skip_reason VARCHAR
