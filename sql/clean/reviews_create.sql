-- Grain: one review. Published rows only; `drop_id` names the delivery that the row came from.
CREATE TABLE IF NOT EXISTS clean.reviews (
    review_id VARCHAR,  -- stable hash that identifies the row within its source
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    user_id VARCHAR,  -- who, as the source calls them or as a keyed hash
    item_id VARCHAR,  -- what, as the source calls it
    reviewed_at TIMESTAMPTZ,  -- when it was written, UTC
    event_date DATE,  -- day of the event, UTC
    rating DOUBLE,  -- stars, 1 to 5
    title VARCHAR,  -- headline, contacts masked
    text VARCHAR,  -- body, contacts masked
    text_sha256 VARCHAR,  -- SHA-256 of the text, by which it is embedded once
    helpful_votes BIGINT,  -- readers who found it helpful
    total_votes BIGINT,  -- readers who voted
    is_verified BOOLEAN,  -- whether the purchase was verified
    drop_id VARCHAR  -- delivery that the row came from: a date, or import:<file>#<hash of its place>
)
