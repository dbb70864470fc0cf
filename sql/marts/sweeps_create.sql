-- Grain: one weekly sweep of attacks on one source, as things stood on the day `until`. `files` is JSON: what it found.
CREATE TABLE IF NOT EXISTS marts.sweeps (
    until DATE, source VARCHAR, as_of DATE, sweep_key VARCHAR, files VARCHAR
)
