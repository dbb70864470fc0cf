-- Grain: one row per delivered file that holds rows. Inputs: parsed.
SELECT file, count(*) AS row_count FROM parsed GROUP BY file
