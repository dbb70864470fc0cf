-- Grain: one refuter tried on one effect of one night.  $files
INSERT INTO marts.effect_refutations BY NAME SELECT * FROM read_parquet($files)
