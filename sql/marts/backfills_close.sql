-- Grain: one backfill, $backfill_id, when it ended or was found to have been killed.
UPDATE marts.backfills SET
    status = $status, ended_at = $ended_at::TIMESTAMPTZ, nights_run = $nights_run::BIGINT,
    nights_kept = $nights_kept::BIGINT, nights_skipped = $nights_skipped::BIGINT, seconds = $seconds::DOUBLE,
    message = $message
WHERE backfill_id = $backfill_id AND status = 'running'
