-- Grain: one attack of the night of $previous; the rows that the report of that night showed.
SELECT * FROM marts.attacks WHERE as_of = $previous::DATE
ORDER BY source, target, subject, attack, share, measure
