-- Grain: one item shown to one user at one position. `context` is a JSON object.
CREATE TABLE IF NOT EXISTS clean.exposures (
    exposure_id VARCHAR, source VARCHAR, user_id VARCHAR, item_id VARCHAR, exposed_at TIMESTAMPTZ,
    event_date DATE, policy VARCHAR, position INTEGER, propensity DOUBLE, is_clicked BOOLEAN,
    is_converted BOOLEAN, context VARCHAR, drop_id VARCHAR
)
