-- Grain: one table of one drop; counts of published rows are set afterwards by raw/drops_recount.
INSERT INTO raw.drops BY NAME
SELECT
    $source AS source, $table_name AS table_name, $drop_id AS drop_id, $drop_date::DATE AS drop_date,
    $kind AS kind, $origin AS origin, $drop_key AS drop_key, $staged_path AS staged_path,
    $staged_sha256 AS staged_sha256, $staged_size AS staged_size, $dates::DATE[] AS dates,
    $rows_read AS rows_read, 0 AS rows_published, $rows_quarantined AS rows_quarantined,
    0 AS rows_duplicate, $rows_repeated AS rows_repeated_in_drop, $reasons AS reasons, $drift AS drift,
    now() AS published_at, $profile AS profile, $fingerprint AS fingerprint
