-- Grain: one night with a report, from $first_date on.
SELECT as_of FROM marts.nights WHERE as_of >= $first_date::DATE ORDER BY as_of
