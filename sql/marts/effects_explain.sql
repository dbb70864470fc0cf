-- Grain: one effect of one night, the newest night up to $as_of; $source and $attribute may be NULL for all.
SELECT * FROM marts.effects
WHERE as_of = (SELECT max(as_of) FROM marts.effects WHERE as_of <= coalesce($as_of::DATE, DATE '9999-12-31'))
    AND ($source IS NULL OR source = $source)
    AND ($attribute IS NULL OR attribute = $attribute)
    AND window_name = $window_name AND contrast = $contrast
ORDER BY source, attribute, estimator
