-- Grain: one backfill that is not known to have ended.
SELECT backfill_id, asked_by FROM marts.backfills WHERE status = 'running' ORDER BY started_at
