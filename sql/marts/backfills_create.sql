-- Grain: one backfill that somebody asked for, from its start on.
CREATE TABLE IF NOT EXISTS marts.backfills (
    backfill_id VARCHAR,  -- identity of the backfill
    started_at TIMESTAMPTZ,  -- when it began, UTC
    ended_at TIMESTAMPTZ,  -- when it ended, or was found to have been killed; null while it runs
    status VARCHAR,  -- running, completed, stopped by gate, failed, or interrupted
    asked_by VARCHAR,  -- user@host of the process that ran it
    reason VARCHAR,  -- why, in the words of who asked; empty when nothing was said
    start_date DATE,  -- first night asked for
    end_date DATE,  -- last night asked for
    stage VARCHAR,  -- how far nights went: ingest, text, effects, recommend, attacks or all
    is_forced BOOLEAN,  -- whether finished nights were done again
    concurrency BIGINT,  -- tasks at a time
    nights_run BIGINT,  -- nights that it ran
    nights_kept BIGINT,  -- nights that were finished before and left alone
    nights_skipped BIGINT,  -- dates without data
    seconds DOUBLE,  -- how long it took; null when it was killed
    message VARCHAR  -- what went wrong, in words; empty when nothing did
)
