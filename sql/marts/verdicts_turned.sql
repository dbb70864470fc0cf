-- Grain: one headline effect that became credible, ceased to be, or changed sides since the newest earlier night.  $as_of
WITH earlier AS (
    SELECT * FROM marts.effects
    WHERE as_of = (SELECT max(as_of) FROM marts.effects WHERE as_of < $as_of::DATE)
)
SELECT
    now.source, now.window_name, now.outcome, now.attribute, now.estimator, now.verdict, now.estimate,
    earlier.as_of AS earlier_as_of, earlier.verdict AS earlier_verdict, earlier.estimate AS earlier_estimate
FROM marts.effects AS now
JOIN earlier
    ON earlier.source = now.source AND earlier.window_name = now.window_name AND earlier.outcome = now.outcome
    AND earlier.attribute = now.attribute AND earlier.contrast = now.contrast AND earlier.estimator = now.estimator
WHERE now.as_of = $as_of::DATE AND now.contrast = 'negative_to_positive' AND now.estimator IN ('plr', 'corrected')
    AND (
        (now.verdict = 'credible') <> (earlier.verdict = 'credible')
        OR (now.verdict = 'credible' AND sign(now.estimate) <> sign(earlier.estimate))
    )
ORDER BY now.source, now.attribute, now.window_name, now.estimator
