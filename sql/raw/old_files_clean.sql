-- Grain: one data file that no snapshot needs; removed, or only named with $dry_run.
SELECT path FROM ducklake_cleanup_old_files('wh', dry_run => $dry_run, cleanup_all => true)
