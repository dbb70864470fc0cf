-- Grain: one item shown to one user at one position. `context` is a JSON object.
CREATE TABLE IF NOT EXISTS clean.exposures (
    exposure_id VARCHAR,  -- stable hash that identifies the row within its source
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    user_id VARCHAR,  -- who, as the source calls them or as a keyed hash
    item_id VARCHAR,  -- what, as the source calls it
    exposed_at TIMESTAMPTZ,  -- when it was shown, UTC
    event_date DATE,  -- day of the event, UTC
    policy VARCHAR,  -- what decided to show it
    position INTEGER,  -- place in the list, 1 at the top
    propensity DOUBLE,  -- logged probability of being shown there, 0 to 1
    is_clicked BOOLEAN,  -- whether it was clicked
    is_converted BOOLEAN,  -- whether it was bought, where known
    context VARCHAR,  -- JSON object of numbers and categories known when it was shown
    drop_id VARCHAR  -- delivery that the row came from: a date, or import:<file>#<hash of its place>
)
