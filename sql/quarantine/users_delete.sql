-- Take the refused rows of some drops out.  $labels (list of "source/drop_id/table")
DELETE FROM quarantine.users
WHERE source || '/' || drop_id || '/' || table_name IN (SELECT unnest($labels::VARCHAR[]))
