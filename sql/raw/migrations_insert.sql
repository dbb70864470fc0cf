-- Grain: one version of the warehouse's tables.  $version $name $whyrec_version
INSERT INTO raw.migrations BY NAME
SELECT
    $version::INTEGER AS version, $name AS name, $whyrec_version AS whyrec_version, now() AS applied_at
