-- Take the refused rows of one drop out.  $source $drop_id
DELETE FROM quarantine.users WHERE source = $source AND drop_id = $drop_id
