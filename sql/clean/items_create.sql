-- Grain: one item of one source, as last delivered.
CREATE TABLE IF NOT EXISTS clean.items (
    item_id VARCHAR, source VARCHAR, title VARCHAR, description VARCHAR, brand VARCHAR,
    category VARCHAR, price_usd DOUBLE, drop_id VARCHAR
)
