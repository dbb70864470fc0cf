-- Grain: one data or delete file that an SQLite catalog of DuckLake still refers to, with the folders it lies under.
SELECT
    CASE WHEN s.path_is_relative THEN s.path ELSE '' END AS schema_path, t.path AS table_path, f.path AS file_path,
    t.path_is_relative AND s.path_is_relative AND f.path_is_relative AS is_below
FROM (
    SELECT table_id, path, path_is_relative FROM ducklake_data_file
    UNION ALL
    SELECT table_id, path, path_is_relative FROM ducklake_delete_file
) AS f
JOIN (SELECT DISTINCT table_id, schema_id, path, path_is_relative FROM ducklake_table) AS t ON t.table_id = f.table_id
JOIN (SELECT DISTINCT schema_id, path, path_is_relative FROM ducklake_schema) AS s ON s.schema_id = t.schema_id
