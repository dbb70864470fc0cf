-- Grain: one published part of one of $tables that lies in [$first, $last], without a look at its rows.
SELECT table_name, source, start_date, end_date, fingerprint
FROM marts.published
WHERE list_contains($tables, table_name) AND start_date >= $first::DATE AND end_date <= $last::DATE
