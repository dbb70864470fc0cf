-- Grain: one row. Exact repetitions: rows that a later row of the drop replaces without contradiction.
-- Inputs: repeats.
SELECT count(*) FROM repeats WHERE difference IS NULL
