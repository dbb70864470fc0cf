-- Grain: one table; its adjacent small files become one, snapshots stay as they are.
CALL ducklake_merge_adjacent_files('wh')
