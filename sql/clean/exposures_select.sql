-- Grain: one exposure of one source from $start_date to $end_date.
SELECT
    exposure_id, user_id, item_id, policy, position, propensity, is_clicked::INTEGER AS is_clicked,
    event_date, context
FROM clean.exposures
WHERE source = $source AND event_date BETWEEN $start_date::DATE AND $end_date::DATE
ORDER BY exposure_id
