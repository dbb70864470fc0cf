-- Grain: one of the users that the reviews of a period are of.  $source $start_date $end_date
SELECT * EXCLUDE (drop_id) FROM clean.users
WHERE source = $source AND user_id IN (
    SELECT user_id FROM clean.reviews
    WHERE source = $source AND event_date BETWEEN $start_date::DATE AND $end_date::DATE
)
ORDER BY user_id
