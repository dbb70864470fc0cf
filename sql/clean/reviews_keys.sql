-- Grain: one staged row of reviews, with what it has in common with others of the same review.
CREATE OR REPLACE TEMP MACRO staged_keys(files) AS TABLE
    SELECT
        review_key(review_id, user_id, item_id, reviewed_at) AS key, drop_id, file, line, source, event_date
    FROM read_parquet(files, union_by_name => true)
