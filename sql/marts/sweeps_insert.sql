-- Grain: one weekly sweep of one source.  $until $source $as_of $sweep_key $files
INSERT INTO marts.sweeps (until, source, as_of, sweep_key, files)
VALUES ($until::DATE, $source, $as_of::DATE, $sweep_key, $files)
