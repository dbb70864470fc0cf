-- Grain: one run.
INSERT INTO marts.runs BY NAME
SELECT
    $run_id AS run_id, $flow AS flow, $as_of::DATE AS as_of, $status AS status, $started_at::TIMESTAMPTZ AS started_at,
    $seconds AS seconds, $night_key AS night_key, $snapshot_read AS snapshot_read,
    $snapshot_published AS snapshot_published, $ran AS tasks_ran, $cached AS tasks_cached,
    $retried AS tasks_retried, $failed AS tasks_failed, $skipped AS tasks_skipped, $read AS rows_read,
    $published AS rows_published, $quarantined AS rows_quarantined, $duplicate AS rows_duplicate, $report AS report
