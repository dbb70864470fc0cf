-- Grain: one item of one source, as last delivered.
CREATE TABLE IF NOT EXISTS clean.items (
    item_id VARCHAR,  -- what, as the source calls it
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    title VARCHAR,  -- name of the item
    description VARCHAR,  -- description of the item
    brand VARCHAR,  -- brand, where known
    category VARCHAR,  -- category, where known
    price_usd DOUBLE,  -- price in US dollars
    drop_id VARCHAR  -- delivery that the row came from: a date, or import:<file>#<hash of its place>
)
