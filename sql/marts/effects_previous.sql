-- Grain: one effect of the newest night before $as_of.
SELECT * FROM marts.effects
WHERE as_of = (SELECT max(as_of) FROM marts.effects WHERE as_of < $as_of::DATE)
ORDER BY source, window_name, attribute, contrast, estimator
