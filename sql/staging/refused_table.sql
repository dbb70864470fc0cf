-- Grain: one row per refused row of the drop. Parameters: $path (Parquet file of the rows refused while
-- reading).
CREATE TABLE refused AS
SELECT file, line, reason, raw_text FROM read_parquet($path)
