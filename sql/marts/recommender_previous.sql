-- Grain: one source: the recommender in use on the night of $previous.
SELECT source, model, mse_weighted, ndcg_at_5, coverage
FROM marts.recommender_quality WHERE as_of = $previous::DATE AND is_used ORDER BY source
