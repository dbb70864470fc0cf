-- Grain: one replaced part of one mart: which content it should hold, and how many rows that is.
CREATE TABLE IF NOT EXISTS marts.published (
    table_name VARCHAR, source VARCHAR, start_date DATE, end_date DATE, fingerprint VARCHAR, row_count BIGINT
)
