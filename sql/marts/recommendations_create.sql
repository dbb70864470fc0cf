-- Grain: one night, source, user and place in the user's list. Scores, predictions and their parts are in rating
-- points; the parts sum to `predicted`.
CREATE TABLE IF NOT EXISTS marts.recommendations (
    as_of DATE,  -- night: the last date that it saw
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    user_id VARCHAR,  -- who, as the source calls them or as a keyed hash
    place INTEGER,  -- place in the user's list, 1 first
    item_id VARCHAR,  -- what, as the source calls it
    score DOUBLE,  -- what the list is ordered by, in rating points
    predicted DOUBLE,  -- predicted rating
    uplift DOUBLE,  -- what the causal effects of attributes add, in rating points
    part_mean DOUBLE,  -- part of the prediction: mean of all
    part_user DOUBLE,  -- part: this user
    part_item DOUBLE,  -- part: this item
    part_interaction DOUBLE,  -- part: how user and item match
    part_features DOUBLE  -- part: features of both
)
