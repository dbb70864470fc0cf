-- Warehouses made before attacks had budgets do not count what these left over.
ALTER TABLE marts.attacks ADD COLUMN IF NOT EXISTS not_attempted BIGINT
