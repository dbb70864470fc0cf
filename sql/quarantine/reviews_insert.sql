-- Grain: one refused row.  $files
INSERT INTO quarantine.reviews BY NAME SELECT * FROM read_parquet($files)
