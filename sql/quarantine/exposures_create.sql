-- Grain: one malformed row of a delivered `exposures` file: where it stood, why it was refused, its raw text.
CREATE TABLE IF NOT EXISTS quarantine.exposures (
    source VARCHAR, drop_id VARCHAR, table_name VARCHAR, file VARCHAR, line BIGINT, reason VARCHAR, raw_text VARCHAR
)
