-- Grain: one part of one mart that lies in [$first, $last] ($since: for what reviews say, which is dated by
-- the review and not by the night), with the rows that it should hold and those that it does hold.
-- $tables names the marts.  $since $first $last: the rest of history is not looked at, so that a night's cost does not grow with it.
WITH live AS (
    SELECT 'review_attributes' AS table_name, source, event_date AS day, count(*) AS n
    FROM marts.review_attributes
    WHERE event_date BETWEEN $since::DATE AND $last::DATE AND list_contains($tables, 'review_attributes') GROUP BY ALL
    UNION ALL
    SELECT 'effects', source, as_of, count(*)
    FROM marts.effects
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'effects') GROUP BY ALL
    UNION ALL
    SELECT 'effect_refutations', source, as_of, count(*)
    FROM marts.effect_refutations
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'effect_refutations') GROUP BY ALL
    UNION ALL
    SELECT 'causal_graph', source, as_of, count(*)
    FROM marts.causal_graph
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'causal_graph') GROUP BY ALL
    UNION ALL
    SELECT 'recommendations', source, as_of, count(*)
    FROM marts.recommendations
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'recommendations') GROUP BY ALL
    UNION ALL
    SELECT 'recommender_quality', source, as_of, count(*)
    FROM marts.recommender_quality
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'recommender_quality') GROUP BY ALL
    UNION ALL
    SELECT 'attacks', source, as_of, count(*)
    FROM marts.attacks
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'attacks') GROUP BY ALL
    UNION ALL
    SELECT 'attack_examples', source, as_of, count(*)
    FROM marts.attack_examples
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'attack_examples') GROUP BY ALL
    UNION ALL
    SELECT 'defences', source, as_of, count(*)
    FROM marts.defences
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'defences') GROUP BY ALL
    UNION ALL
    SELECT 'nights', '', as_of, count(*)
    FROM marts.nights
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'nights') GROUP BY ALL
    UNION ALL
    SELECT 'effect_changes', source, as_of, count(*)
    FROM marts.effect_changes
    WHERE as_of BETWEEN $first::DATE AND $last::DATE AND list_contains($tables, 'effect_changes') GROUP BY ALL
)
SELECT
    p.table_name, p.source, p.start_date, p.end_date, p.fingerprint, p.row_count,
    coalesce(sum(live.n), 0)::BIGINT AS live_count
FROM marts.published AS p
LEFT JOIN live
    ON live.table_name = p.table_name AND live.source = p.source AND live.day BETWEEN p.start_date AND p.end_date
WHERE
    list_contains($tables, p.table_name) AND p.end_date <= $last::DATE
    AND p.start_date >= CASE WHEN p.table_name = 'review_attributes' THEN $since::DATE ELSE $first::DATE END
GROUP BY ALL
