-- Grain: one review. Published rows only; `drop_id` names the delivery that the row came from.
CREATE TABLE IF NOT EXISTS clean.reviews (
    review_id VARCHAR, source VARCHAR, user_id VARCHAR, item_id VARCHAR, reviewed_at TIMESTAMPTZ,
    event_date DATE, rating DOUBLE, title VARCHAR, text VARCHAR, text_sha256 VARCHAR,
    helpful_votes BIGINT, total_votes BIGINT, is_verified BOOLEAN, drop_id VARCHAR
)
