-- Rows that DuckDB's threads may run ahead of the thread that writes; with too little they wait for it
-- and work one after another.
SET streaming_buffer_size = '32MB'
