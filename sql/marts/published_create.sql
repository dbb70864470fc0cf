-- Grain: one replaced part of one mart: which content it should hold, and how many rows that is.
CREATE TABLE IF NOT EXISTS marts.published (
    table_name VARCHAR,  -- table that the row is about, without its layer
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    start_date DATE,  -- first day of the part
    end_date DATE,  -- last day of the part
    fingerprint VARCHAR,  -- hash of the file that the part was published from
    row_count BIGINT  -- rows that it should hold
)
