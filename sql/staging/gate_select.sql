-- Grain: one staged row.  $path_hex, the file's path in hexadecimal: the gate's engine binds nothing
SELECT * FROM read_parquet(decode(from_hex('$path_hex')))
