-- Grain: one night, attack, target, subject, size, defence and measure.  $files
INSERT INTO marts.defences BY NAME SELECT * FROM read_parquet($files)
