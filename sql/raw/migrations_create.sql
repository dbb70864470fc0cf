-- Grain: one version of the warehouse's tables; the newest row says which version they are of.
CREATE TABLE IF NOT EXISTS raw.migrations (
    version INTEGER,  -- number of the step in sql/migrations, 1 first
    name VARCHAR,  -- name of the step
    whyrec_version VARCHAR,  -- version of whyrec that took it
    applied_at TIMESTAMPTZ  -- when, UTC
)
