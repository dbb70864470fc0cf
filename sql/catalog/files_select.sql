-- Grain: one data file that the newest state of an SQLite catalog of DuckLake needs; paths end in its name.
SELECT path FROM ducklake_data_file WHERE end_snapshot IS NULL
