-- Grain: one night.  $files
INSERT INTO marts.nights BY NAME SELECT * FROM read_parquet($files)
