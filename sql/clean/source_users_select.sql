-- Grain: one user of one source.  $source
SELECT user_id, features FROM clean.users WHERE source = $source ORDER BY user_id
