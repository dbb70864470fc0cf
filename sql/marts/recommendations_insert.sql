-- Grain: one place in the list of one user.  $files
INSERT INTO marts.recommendations BY NAME SELECT * FROM read_parquet($files)
