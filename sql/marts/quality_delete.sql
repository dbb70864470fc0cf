-- Take the checks of some tables of some drops out.  $labels (list of "source/drop_id/table")
DELETE FROM marts.quality WHERE source || '/' || drop_id || '/' || table_name IN (SELECT unnest($labels::VARCHAR[]))
