-- Grain: one snapshot that is given up; it cannot be read again.  $versions
CALL ducklake_expire_snapshots('wh', versions => $versions)
