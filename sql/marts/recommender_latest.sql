-- Grain: one source: the recommender of its newest night up to $as_of.
SELECT source, as_of, model, checkpoint
FROM marts.recommender_quality
WHERE is_used AND as_of <= $as_of::DATE
QUALIFY row_number() OVER (PARTITION BY source ORDER BY as_of DESC) = 1
ORDER BY source
