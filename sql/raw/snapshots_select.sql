-- Grain: one snapshot that can still be read.
SELECT snapshot_id, snapshot_time FROM ducklake_snapshots('wh') ORDER BY snapshot_id
