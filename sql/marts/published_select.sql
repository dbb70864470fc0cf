-- Grain: one part of one mart, with the rows that it should hold and those that it does hold.
WITH live AS (
    SELECT 'review_attributes' AS table_name, source, event_date AS day, count(*) AS n
    FROM marts.review_attributes GROUP BY ALL
    UNION ALL
    SELECT 'effects', source, as_of, count(*) FROM marts.effects GROUP BY ALL
    UNION ALL
    SELECT 'effect_refutations', source, as_of, count(*) FROM marts.effect_refutations GROUP BY ALL
    UNION ALL
    SELECT 'causal_graph', source, as_of, count(*) FROM marts.causal_graph GROUP BY ALL
    UNION ALL
    SELECT 'recommendations', source, as_of, count(*) FROM marts.recommendations GROUP BY ALL
    UNION ALL
    SELECT 'recommender_quality', source, as_of, count(*) FROM marts.recommender_quality GROUP BY ALL
    UNION ALL
    SELECT 'attacks', source, as_of, count(*) FROM marts.attacks GROUP BY ALL
    UNION ALL
    SELECT 'attack_examples', source, as_of, count(*) FROM marts.attack_examples GROUP BY ALL
    UNION ALL
    SELECT 'defences', source, as_of, count(*) FROM marts.defences GROUP BY ALL
    UNION ALL
    SELECT 'nights', '', as_of, count(*) FROM marts.nights GROUP BY ALL
    UNION ALL
    SELECT 'effect_changes', source, as_of, count(*) FROM marts.effect_changes GROUP BY ALL
)
SELECT
    p.table_name, p.source, p.start_date, p.end_date, p.fingerprint, p.row_count,
    coalesce(sum(live.n), 0)::BIGINT AS live_count
FROM marts.published AS p
LEFT JOIN live
    ON live.table_name = p.table_name AND live.source = p.source AND live.day BETWEEN p.start_date AND p.end_date
GROUP BY ALL
