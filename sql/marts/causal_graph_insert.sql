-- Grain: one edge of one night's graph.  $files
INSERT INTO marts.causal_graph BY NAME SELECT * FROM read_parquet($files)
