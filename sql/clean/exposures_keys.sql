-- Grain: one staged row of exposures, with what it has in common with others of the same exposure.
CREATE OR REPLACE TEMP MACRO staged_keys(files) AS TABLE
    SELECT exposure_id AS key, drop_id, file, line, source, event_date
    FROM read_parquet(files, union_by_name => true)
