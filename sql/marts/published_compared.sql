-- Grain: one published part that a later night compares itself with, of nights before $until: those from
-- $since on, and the newest before $since.
SELECT start_date, table_name, source, fingerprint
FROM marts.published
WHERE table_name IN ('effects', 'attacks', 'recommender_quality') AND row_count > 0 AND start_date < $until::DATE
    AND start_date >= coalesce(
        (
            SELECT max(start_date) FROM marts.published
            WHERE table_name = 'effects' AND row_count > 0 AND start_date < $since::DATE
        ),
        $since::DATE
    )
ORDER BY ALL
