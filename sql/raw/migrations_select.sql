-- Grain: the newest version of the warehouse's tables, 0 for one that was made before versions were kept.
SELECT coalesce(max(version), 0), max_by(whyrec_version, version) FROM raw.migrations
