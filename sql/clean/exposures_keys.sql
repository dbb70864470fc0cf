-- Grain: one staged row of exposures, with what it has in common with others of the same exposure. An id holds within
-- its day: days are derived by themselves, and what is published must not hang on which are derived together.
CREATE OR REPLACE TEMP MACRO staged_keys(files) AS TABLE
    SELECT concat_ws(chr(31), exposure_id, event_date) AS key, drop_id, file, line, source, event_date
    FROM read_parquet(files, union_by_name => true)
