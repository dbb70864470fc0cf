-- Grain: one sweep of one source, of the state of a day.  $until
SELECT source, as_of, sweep_key, files
FROM marts.sweeps
WHERE until = $until::DATE
ORDER BY source
