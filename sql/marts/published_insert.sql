-- Grain: one part of one mart.  $table_name $source $start_date $end_date $fingerprint $row_count
INSERT INTO marts.published BY NAME
SELECT
    $table_name AS table_name, $source AS source, $start_date::DATE AS start_date, $end_date::DATE AS end_date,
    $fingerprint AS fingerprint, $row_count AS row_count
