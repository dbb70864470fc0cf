import numpy as np
import pytest

from tasks.platform.errors import EstimationError
from tasks.recommend.models import choose_parts, make_inputs
from tasks.recommend.train import Budget, Objective, Progress, fit_model
from tests.recommend.worlds import plain_ratings, rich_ratings, selected_world

PARTS = choose_parts(
    "features", {"user": 0.4, "item": 0.2, "user_features": 0.1, "cross": 0.2, "latent": 0.1}
)


def least_squares(ratings, weights=None):
    own = np.ones(len(ratings)) if weights is None else weights
    return Objective(ratings.users, ratings.items, own, own * ratings.ratings)


def test_the_fit_equals_closed_form_ridge():
    """One part, user effects of variance v: g_u = v Σ(r − μ) / (1 + v n) around the fitted mean."""
    values = np.random.default_rng(1).integers(1, 6, (5, 7)).astype(float)
    ratings = plain_ratings(values)
    model = fit_model(least_squares(ratings), make_inputs(ratings), variances={"user": 0.5}, seed=0)
    mean = model.parameters["mean"]
    expected = mean + 0.5 * (values - mean).sum(axis=1) / (1 + 0.5 * 7)
    assert model.predict_grid()[:, 0] == pytest.approx(expected, abs=1e-3)


def test_a_pull_on_all_pairs_equals_rating_every_unrated_pair_zero():
    ratings = rich_ratings()
    inputs = make_inputs(ratings)
    implicit = Objective(
        ratings.users, ratings.items, np.full(len(ratings), 0.7), ratings.ratings, all_pairs=0.3
    )
    n, m = ratings.shape
    weights, pulls = np.full((n, m), 0.3), np.zeros((n, m))
    weights[ratings.users, ratings.items] += 0.7
    pulls[ratings.users, ratings.items] = ratings.ratings
    every = np.divmod(np.arange(n * m), m)
    explicit = Objective(every[0], every[1], weights.ravel(), pulls.ravel())
    found, expected = (
        fit_model(
            goal, inputs, variances={**PARTS, "latent": 0.0}, seed=0, budget=Budget(100)
        ).predict_grid()
        for goal in (implicit, explicit)
    )
    assert found == pytest.approx(expected, abs=1e-3)
    assert np.abs(found).max() > 0.5


def test_a_pair_in_several_rows_counts_once_for_each():
    once = plain_ratings(np.array([[2.0, 4.0], [3.0, 0.0]]))
    twice = once.take(np.array([0, 1, 1, 2]))
    weighted = least_squares(once, np.array([1.0, 2.0, 1.0]))
    grids = [
        fit_model(
            goal, make_inputs(once), variances={"user": 0.5, "item": 0.5}, seed=0
        ).predict_grid()
        for goal in (least_squares(twice), weighted)
    ]
    assert grids[0] == pytest.approx(grids[1], abs=1e-4)


def test_a_warm_start_reaches_the_objective_of_a_cold_one_in_fewer_steps():
    ratings = rich_ratings(shape=(60, 40))
    inputs, goal = make_inputs(ratings), least_squares(ratings)
    seen: dict[str, list[Progress]] = {"cold": [], "warm": []}
    cold = fit_model(
        goal, inputs, variances=PARTS, seed=0, budget=Budget(200), watch=seen["cold"].append
    )
    fit_model(goal, inputs, variances=PARTS, seed=1, budget=Budget(200), warm=cold.parameters,
              watch=seen["warm"].append)  # fmt: skip
    assert len(seen["warm"]) < len(seen["cold"])
    assert seen["warm"][-1].objective <= seen["cold"][-1].objective * (1 + 1e-5)


def test_training_stops_when_the_validation_loss_no_longer_falls_and_keeps_the_best():
    ratings = rich_ratings()
    losses = iter([3.0, 1.0, 2.0, 2.5, 0.1])
    seen, models = [], []

    def check(model):
        models.append(model.predict_grid())
        return next(losses)

    best = fit_model(
        least_squares(ratings), make_inputs(ratings), variances=PARTS, seed=0,
        budget=Budget(steps=100, patience=2), check=check, watch=seen.append,
    )  # fmt: skip
    assert len(seen) == 4
    assert best.predict_grid() == pytest.approx(models[1])


def test_the_same_seed_gives_the_same_model():
    ratings = rich_ratings()
    grids = [
        fit_model(
            least_squares(ratings), make_inputs(ratings), variances=PARTS, seed=seed
        ).predict_grid()
        for seed in (0, 0, 1)
    ]
    assert (grids[0] == grids[1]).all()
    assert not (grids[0] == grids[2]).all()


@pytest.mark.parametrize("weight", [0.0, np.nan, -1.0])
def test_weights_that_are_all_zero_negative_or_no_numbers_are_refused(weight):
    ratings, _ = selected_world()
    goal = Objective(ratings.users, ratings.items, np.full(len(ratings), weight), ratings.ratings)
    with pytest.raises(EstimationError, match="not all 0"):
        fit_model(goal, make_inputs(ratings), variances={}, seed=0)
