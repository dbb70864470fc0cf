-- Grain: one row per refused row of the drop.
CREATE TEMP TABLE refused (file INTEGER, line BIGINT, reason VARCHAR, raw_text VARCHAR)
