-- Grain: one row per kind of reason, the most frequent first. Inputs: refused.
SELECT
    CASE
        WHEN starts_with(reason, 'contradicts line ') THEN 'contradicts another row'
        ELSE split_part(reason, ':', 1)
    END AS kind,
    count(*) AS row_count
FROM refused
GROUP BY kind
ORDER BY row_count DESC, kind
