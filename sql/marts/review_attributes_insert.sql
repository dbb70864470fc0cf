-- Grain: one review and attribute that the review speaks of.  $files
INSERT INTO marts.review_attributes BY NAME SELECT * FROM read_parquet($files) ORDER BY event_date, review_id, attribute
