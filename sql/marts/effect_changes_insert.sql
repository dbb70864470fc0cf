-- Grain: one changed effect of one night.  $files
INSERT INTO marts.effect_changes BY NAME SELECT * FROM read_parquet($files)
