-- Grain: one model of one night.  $files
INSERT INTO marts.recommender_quality BY NAME SELECT * FROM read_parquet($files)
