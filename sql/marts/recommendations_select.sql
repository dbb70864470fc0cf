-- Grain: one place in the list of one user on one night.  $source $as_of $user_id $limit
SELECT place, item_id, score, predicted, uplift, part_mean, part_user, part_item, part_interaction, part_features
FROM marts.recommendations
WHERE source = $source AND as_of = $as_of::DATE AND user_id = $user_id AND place <= $limit
ORDER BY place
