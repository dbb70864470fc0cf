-- Grain: one user of one source, as last delivered. `features` is a JSON object.
CREATE TABLE IF NOT EXISTS clean.users (
    user_id VARCHAR,  -- who, as the source calls them or as a keyed hash
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    features VARCHAR,  -- JSON object: name to number or category
    drop_id VARCHAR  -- delivery that the row came from: a date, or import:<file>#<hash of its place>
)
