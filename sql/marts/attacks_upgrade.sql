-- Warehouses of earlier nights do not count what a budget left over.
ALTER TABLE marts.attacks ADD COLUMN IF NOT EXISTS not_attempted BIGINT
