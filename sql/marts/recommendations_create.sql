-- Grain: one night, source, user and place in the user's list. Scores, predictions and their parts are in rating
-- points; the parts sum to `predicted`.
CREATE TABLE IF NOT EXISTS marts.recommendations (
    as_of DATE, source VARCHAR, user_id VARCHAR, place INTEGER, item_id VARCHAR, score DOUBLE, predicted DOUBLE,
    uplift DOUBLE, part_mean DOUBLE, part_user DOUBLE, part_item DOUBLE, part_interaction DOUBLE, part_features DOUBLE
)
