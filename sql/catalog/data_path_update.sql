-- Grain: the one place that an SQLite catalog of DuckLake looks for its data in.  ?
UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'
