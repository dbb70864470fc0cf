-- Grain: one row per text, in order. Inputs: texts(value).
SELECT mask_contacts(value) AS value FROM texts
