-- Forget one table of one drop.  $source $table_name $drop_id
DELETE FROM raw.drops WHERE source = $source AND table_name = $table_name AND drop_id = $drop_id
