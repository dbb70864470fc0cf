-- Grain: one row per refused row of the drop; `place` is that of its file in the drop.
CREATE TABLE refused (place INTEGER, line BIGINT, reason VARCHAR, raw_text VARCHAR)
