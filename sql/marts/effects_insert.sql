-- Grain: one effect of one night.  $files
INSERT INTO marts.effects BY NAME SELECT * FROM read_parquet($files)
