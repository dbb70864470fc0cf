-- Grain: one of the last $rows rows of the table $name (a name of the closed list of tables), in the order written.
SELECT *
FROM query_table($name)
LIMIT $rows
OFFSET (SELECT greatest(count(*) - $rows, 0) FROM query_table($name))
