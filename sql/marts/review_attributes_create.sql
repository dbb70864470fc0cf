-- Grain: one review and one attribute: what the text says of it, and where (character offsets).
CREATE TABLE IF NOT EXISTS marts.review_attributes (
    source VARCHAR, event_date DATE, review_id VARCHAR, attribute VARCHAR, is_mentioned BOOLEAN,
    polarity TINYINT, confidence DOUBLE, span_start INTEGER, span_end INTEGER
)
