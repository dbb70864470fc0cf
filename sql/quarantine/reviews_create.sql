-- Grain: one malformed row of a delivered `reviews` file: where it stood, why it was refused, its raw text.
CREATE TABLE IF NOT EXISTS quarantine.reviews (
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    drop_id VARCHAR,  -- delivery that the row came from: a date, or import:<file>#<hash of its place>
    table_name VARCHAR,  -- table that it was meant for
    file VARCHAR,  -- file that it stood in
    line BIGINT,  -- line of that file, 1 first
    reason VARCHAR,  -- why it was refused
    raw_text VARCHAR  -- the row as delivered
)
