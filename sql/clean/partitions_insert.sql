-- Grain: one published day.  $source $table_name $dates $row_counts $fingerprints (parallel lists)
INSERT INTO clean.partitions BY NAME
SELECT
    $table_name AS table_name, $source AS source, unnest($dates::DATE[]) AS event_date,
    unnest($row_counts::BIGINT[]) AS row_count, unnest($fingerprints::VARCHAR[]) AS fingerprint
