-- Grain: one expectation checked on one table of one drop; the newest check of a drop replaces older ones.
CREATE TABLE IF NOT EXISTS marts.quality (
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    table_name VARCHAR,  -- table that was checked
    drop_id VARCHAR,  -- delivery that the row came from: a date, or import:<file>#<hash of its place>
    as_of DATE,  -- night that checked it
    expectation VARCHAR,  -- what was expected
    column_name VARCHAR,  -- of which column
    severity VARCHAR,  -- critical stops publication, warning is reported
    is_success BOOLEAN,  -- whether it was met
    observed VARCHAR,  -- what was found
    allowed VARCHAR,  -- what is allowed
    n_unexpected BIGINT,  -- rows that are not as expected
    n_rows BIGINT,  -- rows checked
    examples VARCHAR,  -- JSON list of values that are not as expected
    breaks VARCHAR,  -- what breaks downstream if it fails
    advice VARCHAR,  -- what to do about it
    skip_reason VARCHAR  -- why it was not checked
)
