-- Take the checks of one table of one drop out.  $source $table_name $drop_id
DELETE FROM marts.quality WHERE source = $source AND table_name = $table_name AND drop_id = $drop_id
