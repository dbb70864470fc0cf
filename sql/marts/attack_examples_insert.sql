-- Grain: one example of one attack of one night, before and after.  $files
INSERT INTO marts.attack_examples BY NAME SELECT * FROM read_parquet($files)
