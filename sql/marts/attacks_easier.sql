-- Grain: one attack tried tonight for the first time since $until, the day that this week's attacks stand on, that turns
-- a verdict which it did not turn before, or takes a smaller share (by $smallest_drop) for it.  $as_of
WITH tried AS (
    SELECT * FROM marts.attacks WHERE target = 'effects' AND is_verdict_flipped IS NOT NULL
), earlier AS (
    SELECT * FROM tried WHERE as_of <= $until::DATE
    QUALIFY row_number() OVER (PARTITION BY source, attack, subject ORDER BY as_of DESC) = 1
), tonight AS (
    SELECT * FROM tried WHERE as_of = $as_of::DATE
), told AS (
    SELECT DISTINCT source, attack, subject FROM tried WHERE as_of > $until::DATE AND as_of < $as_of::DATE
)
SELECT
    tonight.source, tonight.attack, tonight.subject, tonight.share, tonight.clean_verdict, tonight.attacked_verdict,
    tonight.is_verdict_flipped, tonight.smallest_share, earlier.as_of AS earlier_as_of,
    earlier.is_verdict_flipped AS was_verdict_flipped, earlier.smallest_share AS earlier_smallest_share,
    earlier.looked_to AS earlier_looked_to
FROM tonight
JOIN earlier
    ON earlier.source = tonight.source AND earlier.attack = tonight.attack AND earlier.subject = tonight.subject
ANTI JOIN told
    ON told.source = tonight.source AND told.attack = tonight.attack AND told.subject = tonight.subject
WHERE (tonight.is_verdict_flipped AND NOT earlier.is_verdict_flipped AND tonight.share <= earlier.share)
    OR tonight.smallest_share < coalesce(earlier.smallest_share, earlier.looked_to) * (1 - $smallest_drop)
ORDER BY tonight.source, tonight.subject, tonight.attack
