-- Grain: one attack, target, subject and size: the newest result of an earlier week.  $until (last day before this week)
SELECT as_of, source, surface, attack, target, subject, share, measure, clean, attacked, shift, is_verdict_flipped,
    smallest_share, looked_to, attempted, succeeded, failed, skipped, not_attempted
FROM marts.attacks
WHERE as_of <= $until::DATE
QUALIFY row_number() OVER (PARTITION BY source, surface, attack, target, subject, share ORDER BY as_of DESC) = 1
ORDER BY source, surface, attack, target, subject, share
