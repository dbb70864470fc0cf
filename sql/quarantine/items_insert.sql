-- Grain: one refused row.  $files
INSERT INTO quarantine.items BY NAME SELECT * FROM read_parquet($files)
