-- Grain: one night, source and model: its figures on ratings held out, which users chose to give. `mse_weighted` weighs
-- them by 1/propensity; `groups` is JSON, figures by trait of users and items. The model that recommends has `is_used` and its checkpoint's place in the lake.
CREATE TABLE IF NOT EXISTS marts.recommender_quality (
    as_of DATE, source VARCHAR, model VARCHAR, is_used BOOLEAN, n_train BIGINT, n_test BIGINT, mse DOUBLE, mae DOUBLE,
    mse_weighted DOUBLE, auc DOUBLE, ndcg_at_5 DOUBLE, recall_at_5 DOUBLE, bias DOUBLE, calibration_error DOUBLE,
    coverage DOUBLE, gini DOUBLE, popularity_lift DOUBLE, groups VARCHAR, checkpoint VARCHAR
)
