-- Grain: one review and one attribute: what the text says of it, and where (character offsets).
CREATE TABLE IF NOT EXISTS marts.review_attributes (
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    event_date DATE,  -- day of the event, UTC
    review_id VARCHAR,  -- review that was read
    attribute VARCHAR,  -- attribute that the review speaks of
    is_mentioned BOOLEAN,  -- whether the text speaks of it
    polarity TINYINT,  -- -1 complaint, 0 neither, 1 praise
    confidence DOUBLE,  -- how sure the reader is, 0 to 1
    span_start INTEGER,  -- first character of the evidence
    span_end INTEGER  -- character after the last
)
