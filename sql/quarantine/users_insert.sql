-- Grain: one refused row.  $files
INSERT INTO quarantine.users BY NAME SELECT * FROM read_parquet($files)
