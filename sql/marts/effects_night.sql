-- Grain: one row where there is one: the newest night before $as_of whose effects are published.
SELECT max(as_of) AS as_of FROM marts.effects WHERE as_of < $as_of::DATE HAVING max(as_of) IS NOT NULL
