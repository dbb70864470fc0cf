-- Grain: one table of one delivery that the gate stopped, with the first of the checks that failed and how many did.
-- What is published passed its checks: failed ones are of a delivery that was held back (`drop_date` null: an import).
SELECT
    source, table_name, drop_id, try_cast(drop_id AS DATE) AS drop_date, max(n_rows) AS n_rows, count(*) AS n_failed,
    min(expectation) AS expectation, min_by(observed, expectation) AS observed, min_by(allowed, expectation) AS allowed
FROM marts.quality
WHERE severity = 'critical' AND NOT is_success
GROUP BY source, table_name, drop_id
ORDER BY source, table_name, drop_id
