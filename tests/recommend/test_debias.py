import numpy as np
import pytest

from tasks.platform.errors import ConfigError
from tasks.recommend.data import Ratings, from_matrix
from tasks.recommend.debias import Recipe, fit_debiased, weigh
from tasks.recommend.models import choose_parts, make_inputs
from tasks.recommend.train import Budget
from tests.recommend.worlds import plain_ratings, selected_world


def mean_of(method: str) -> float:
    ratings, propensities = selected_world()
    recipe = Recipe({"user": 0.0}, method, power=1.0)
    fit = fit_debiased(recipe, ratings, make_inputs(ratings), propensities, seed=0)
    return float(fit.model.predict_grid().mean())


@pytest.mark.parametrize("method", ["ips", "snips", "dr", "stabledr"])
def test_debiasing_recovers_the_mean_that_naive_training_misses(method):
    assert mean_of("naive") == pytest.approx(3.6, abs=0.05)
    assert mean_of(method) == pytest.approx(3.0, abs=0.08)


def test_snips_weights_sum_to_the_number_of_ratings():
    ratings, propensities = selected_world()
    weights = weigh(propensities, power=1.0, is_normalised=True)
    assert weights.sum() == pytest.approx(len(ratings))
    assert weights.max() / weights.min() == pytest.approx(4.0)


def test_ips_weights_sum_to_the_number_of_ratings_in_expectation_only():
    weights = weigh(np.full(50, 0.5), power=1.0, is_normalised=False, n_pairs=80)
    assert weights.sum() == pytest.approx(50 * 100 / 80)


def test_the_doubly_robust_correction_of_wrong_propensities_leaves_a_right_imputation_alone():
    """Where the imputation fits every rating, propensities however wrong add nothing."""
    values = np.add.outer(np.arange(1, 4), np.zeros(40)) + 1
    ratings = plain_ratings(
        np.where(np.random.default_rng(0).random(values.shape) < 0.5, values, 0)
    )
    recipe = Recipe({"user": 50.0}, "dr", power=1.0)
    wrong = np.random.default_rng(1).uniform(0.05, 1, len(ratings))
    fit = fit_debiased(recipe, ratings, make_inputs(ratings), wrong, seed=0)
    assert fit.model.predict_grid() == pytest.approx(values, abs=0.02)


def test_a_user_never_rated_is_predicted_by_features():
    users = np.eye(2)[np.arange(40) % 2]
    values = np.where(users[:, :1] == 1, 5.0, 1.0) * np.ones((40, 8))
    values[0] = 0
    ratings = from_matrix(values, users, np.eye(2)[np.arange(8) % 2])
    recipe = Recipe(choose_parts("features", {"user": 0.1, "user_features": 5.0}))
    fit = fit_debiased(recipe, ratings, make_inputs(ratings), np.ones(len(ratings)), seed=0)
    assert fit.model.predict_grid()[0] == pytest.approx(5.0, abs=0.2)


def test_equal_ratings_one_user_and_one_item_give_that_rating():
    ratings = plain_ratings(np.array([[4.0]]))
    recipe = Recipe(choose_parts("mf", {"user": 0.1, "item": 0.1, "latent": 0.1}), "ips")
    fit = fit_debiased(recipe, ratings, make_inputs(ratings), np.ones(1), seed=0)
    assert fit.model.predict_grid()[0, 0] == pytest.approx(4.0, abs=1e-3)


def test_a_warm_start_of_both_stages_repeats_the_model():
    ratings, propensities = selected_world()
    parts = choose_parts("mf", {"user": 0.1, "item": 0.1, "latent": 0.02})
    recipe = Recipe(parts, "dr", power=1.0, budgets=(Budget(200),))
    inputs = make_inputs(ratings)
    cold = fit_debiased(recipe, ratings, inputs, propensities, seed=0)
    warm = fit_debiased(
        recipe, ratings, inputs, propensities, seed=5, warm=[s.parameters for s in cold.stages]
    )
    assert warm.model.predict_grid() == pytest.approx(cold.model.predict_grid(), abs=0.02)


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="stabledr"):
        Recipe({}, "magic")


def test_chances_of_rows_of_a_log_debias_a_pair_shown_often():
    """Item 0 is shown nine times in ten and clicked by half, item 1 by all: the mean of both is .75."""
    rng = np.random.default_rng(0)
    items = (rng.random(4000) < 0.1).astype(np.int64)
    clicks = np.where(items == 1, 1.0, (rng.random(4000) < 0.5).astype(float))
    one = np.zeros((1, 0)), np.zeros((2, 0))
    log = Ratings(
        np.zeros(4000, dtype=np.int64), items, clicks, ("u",), ("a", "b"), *one, scale=(0, 1)
    )
    chances = np.where(items == 1, 0.1, 0.9)
    for method, power in (("ips", 1.0), ("snips", 1.0), ("dr", 0.5)):
        recipe = Recipe({"user": 0.0}, method, power=power, is_of_rows=True)
        fit = fit_debiased(recipe, log, make_inputs(log), chances, seed=0)
        assert fit.model.predict_grid().mean() == pytest.approx(0.75, abs=0.03)
