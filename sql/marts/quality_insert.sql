-- Grain: one expectation on one table of one drop.  $source $table_name $drop_id $as_of $checks (JSON list)
INSERT INTO marts.quality BY NAME
SELECT
    $source AS source, $table_name AS table_name, $drop_id AS drop_id, $as_of::DATE AS as_of,
    c ->> 'expectation' AS expectation, c ->> 'column' AS column_name, c ->> 'severity' AS severity,
    (c ->> 'is_success')::BOOLEAN AS is_success, c ->> 'observed' AS observed, c ->> 'allowed' AS allowed,
    (c ->> 'n_unexpected')::BIGINT AS n_unexpected, (c ->> 'n_rows')::BIGINT AS n_rows,
    c ->> 'examples' AS examples, c ->> 'breaks' AS breaks,
    c ->> 'advice' AS advice, c ->> 'skip_reason' AS skip_reason
FROM (SELECT unnest(json_extract($checks::JSON, '$[*]')) AS c)
