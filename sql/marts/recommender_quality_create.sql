-- Grain: one night, source and model: its figures on ratings held out, which users chose to give. `mse_weighted` weighs
-- them by 1/propensity; `groups` is JSON, figures by trait of users and items. The model that recommends has `is_used` and its checkpoint's place in the lake.
CREATE TABLE IF NOT EXISTS marts.recommender_quality (
    as_of DATE,  -- night: the last date that it saw
    source VARCHAR,  -- name of the source, as in [[sources]] or of an import
    model VARCHAR,  -- bias, mf, features, ips, dr and the like
    is_used BOOLEAN,  -- whether it is the one that recommends
    n_train BIGINT,  -- ratings it was fitted to
    n_test BIGINT,  -- ratings held out
    mse DOUBLE,  -- mean squared error
    mae DOUBLE,  -- mean absolute error
    mse_weighted DOUBLE,  -- the same, weighted by 1/propensity
    auc DOUBLE,  -- ranking of relevant above other ratings
    ndcg_at_5 DOUBLE,  -- order of a user's best five, 0 to 1
    recall_at_5 DOUBLE,  -- share of the relevant in the best five
    bias DOUBLE,  -- mean error, in rating points
    calibration_error DOUBLE,  -- mean distance of prediction from outcome, by deciles
    coverage DOUBLE,  -- share of items in any list
    gini DOUBLE,  -- inequality of how often items are listed, 0: all alike
    popularity_lift DOUBLE,  -- popularity of listed items over that of rated ones
    groups VARCHAR,  -- JSON: figures by trait of users and items
    checkpoint VARCHAR  -- place of the used model in the lake
)
