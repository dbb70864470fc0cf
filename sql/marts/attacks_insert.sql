-- Grain: one night, attack, target, subject, size and measure.  $files
INSERT INTO marts.attacks BY NAME SELECT * FROM read_parquet($files)
