-- Grain: one refused row.  $files
INSERT INTO quarantine.exposures BY NAME SELECT * FROM read_parquet($files)
