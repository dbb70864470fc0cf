-- Grain: one run of a flow, with the snapshots that it read and published.
CREATE TABLE IF NOT EXISTS marts.runs (
    run_id VARCHAR,  -- identity of the run; names its folder below reports/runs
    flow VARCHAR,  -- nightly, backfill, import or demo
    as_of DATE,  -- night, or last night of a backfill
    status VARCHAR,  -- completed, stopped by gate or failed
    started_at TIMESTAMPTZ,  -- when it began, UTC
    seconds DOUBLE,  -- how long it took
    night_key VARCHAR,  -- hash of all that decides the night's answer; null when it did not end well
    snapshot_read BIGINT,  -- snapshot that it concluded from
    snapshot_published BIGINT,  -- snapshot that holds what it published
    tasks_ran BIGINT,  -- tasks that ran
    tasks_cached BIGINT,  -- tasks whose answer was still right
    tasks_retried BIGINT,  -- tasks that needed another attempt
    tasks_failed BIGINT,  -- tasks that failed
    tasks_skipped BIGINT,  -- tasks that were not tried
    rows_read BIGINT,  -- rows in the delivered files
    rows_published BIGINT,  -- of these, published
    rows_quarantined BIGINT,  -- of these, malformed
    rows_duplicate BIGINT,  -- of these, repeats
    report VARCHAR  -- place of the report
)
