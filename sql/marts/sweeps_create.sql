-- Grain: one weekly sweep of attacks on one source, as things stood on the day `until`; the nights of the week show it.
CREATE TABLE IF NOT EXISTS marts.sweeps (
    until DATE,  -- last day of the reviews that were attacked
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    as_of DATE,  -- last date that the sweep saw
    sweep_key VARCHAR,  -- hash of what was attacked and of the settings
    files VARCHAR  -- JSON list: what it found, in the lake
)
