-- Grain: one backfill, when it starts.
INSERT INTO marts.backfills BY NAME
SELECT
    $backfill_id AS backfill_id, $started_at::TIMESTAMPTZ AS started_at, 'running' AS status, $asked_by AS asked_by,
    $reason AS reason, $start::DATE AS start_date, $end::DATE AS end_date, $stage AS stage,
    $is_forced::BOOLEAN AS is_forced, $concurrency::BIGINT AS concurrency, '' AS message
