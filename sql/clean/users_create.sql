-- Grain: one user of one source, as last delivered. `features` is a JSON object.
CREATE TABLE IF NOT EXISTS clean.users (user_id VARCHAR, source VARCHAR, features VARCHAR, drop_id VARCHAR)
