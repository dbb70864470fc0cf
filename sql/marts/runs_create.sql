-- Grain: one run of a flow, with the snapshots that it read and published.
CREATE TABLE IF NOT EXISTS marts.runs (
    run_id VARCHAR, flow VARCHAR, as_of DATE, status VARCHAR, started_at TIMESTAMPTZ, seconds DOUBLE,
    night_key VARCHAR, snapshot_read BIGINT, snapshot_published BIGINT, tasks_ran BIGINT, tasks_cached BIGINT,
    tasks_retried BIGINT, tasks_failed BIGINT, tasks_skipped BIGINT, rows_read BIGINT, rows_published BIGINT,
    rows_quarantined BIGINT, rows_duplicate BIGINT, report VARCHAR
)
