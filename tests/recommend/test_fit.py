from dataclasses import replace

import numpy as np
import pytest

from tasks.platform.errors import ConfigError
from tasks.recommend import fit
from tasks.recommend.data import Ratings, from_matrix
from tasks.recommend.evaluate import load_protocol
from tasks.recommend.fit import (
    Plan,
    choose_look,
    draw_validation,
    fit_recommender,
    tune_on_sample,
)
from tasks.recommend.propensity import Propensities, find_propensities
from tests.recommend.worlds import plain_ratings, rich_ratings

FIXED = Plan(model="ips", power=0.5, penalty=0.5)


def structured(seed: int = 0, n: int = 60, m: int = 40) -> Ratings:
    """Ratings that follow user, item and features, a third of the pairs rated."""
    rng = np.random.default_rng(seed)
    z, w = rng.normal(size=(n, 3)), rng.normal(size=(m, 2))
    truth = 3 + rng.normal(size=(n, 1)) * 0.5 + rng.normal(size=m) * 0.3 + z @ [[0.4], [0], [0]]
    values = np.clip(np.round(truth + rng.normal(size=(n, m)) * 0.3), 1, 5)
    return from_matrix(np.where(rng.random((n, m)) < 0.33, values, 0), z, w)


def test_a_warm_fit_of_more_ratings_is_as_good_as_a_full_one():
    ratings = structured()
    early = ratings.take(np.arange(0, len(ratings), 2))
    first = fit_recommender(early, FIXED)
    full, warm = fit_recommender(ratings, FIXED), fit_recommender(ratings, FIXED, warm=first)
    grids = [part.model.predict_grid() for part in (full, warm)]
    assert np.sqrt(np.mean((grids[0] - grids[1]) ** 2)) < 0.03
    assert warm.card["is_warm"]
    assert not full.card["is_warm"]


def test_a_warm_fit_takes_over_what_was_chosen():
    ratings = structured()
    first = fit_recommender(ratings, FIXED)
    card = fit_recommender(ratings, Plan(model="ips"), warm=first).card
    assert (card["power"], card["penalty"]) == (0.5, 0.5)


def test_a_warm_fit_knows_users_by_name_not_by_place():
    ratings = structured()
    first = fit_recommender(ratings, FIXED)
    renamed = replace(ratings, user_ids=tuple(reversed(ratings.user_ids)))
    moved = fit_recommender(renamed, replace(FIXED, steps=5, validation_share=0.0), warm=first)
    same = fit_recommender(ratings, replace(FIXED, steps=5, validation_share=0.0), warm=first)
    assert np.abs(moved.model.predict_grid() - same.model.predict_grid()).max() > 0.05


def test_what_is_chosen_is_on_the_card():
    card = fit_recommender(structured(), Plan(model="stabledr")).card
    assert card["method"] == "stabledr"
    assert card["power"] in (0.5, 1.0)
    assert card["penalty"] > 0
    assert card["validation_loss"] > 0
    assert 5 <= card["steps"] <= 100
    assert 0 <= card["correction_steps"] <= 100


@pytest.mark.parametrize(
    "values", [np.array([[4.0]]), np.full((5, 1), 3.0), np.array([[2.0, 5.0, 3.0]])]
)
def test_one_user_one_item_and_equal_ratings_are_fitted_and_stay_in_scale(values):
    model = fit_recommender(plain_ratings(values), replace(FIXED, model="mf-ips")).model
    grid = model.predict_grid()
    assert np.isfinite(grid).all()
    assert grid.mean() == pytest.approx(values.mean(), abs=0.3)


def test_a_fit_stops_early_only_where_going_on_is_worse_beyond_chance():
    rng = np.random.default_rng(0)
    base = rng.exponential(size=500)
    noise = [base + rng.normal(size=500) * 0.3 for _ in range(4)]
    assert choose_look(noise) == 3
    assert choose_look([base + 0.5, base, base + 0.001, base + rng.random(500)]) == 1


def test_a_correction_that_makes_held_out_ratings_worse_is_left_out():
    ratings = rich_ratings(shape=(60, 40))
    known = Propensities(np.full(len(ratings), 0.02), 0, 0.01), "given"
    plan = Plan(model="dr", power=0.5, penalty=0.01)
    found = fit_recommender(ratings, plan, known=known)
    assert found.card["correction_steps"] == 0
    assert len(found.fit.stages) == 1


def test_without_features_models_of_features_are_factor_models():
    ratings = plain_ratings(np.random.default_rng(0).integers(0, 6, (30, 20)).astype(float))
    plain, featured = (
        fit_recommender(ratings, replace(FIXED, model=name)).model.predict_grid()
        for name in ("mf-ips", "ips")
    )
    assert featured == pytest.approx(plain)


def test_few_ratings_hold_nothing_out():
    assert len(draw_validation(100, Plan())) == 0
    assert len(draw_validation(1000, Plan())) == 100


def test_without_features_propensities_are_popularity():
    assert find_propensities(rich_ratings())[1] == "logistic"
    assert find_propensities(plain_ratings(np.eye(4) * 3))[1] == "popularity"


def test_a_sample_of_users_chooses_the_penalty_that_all_choose(monkeypatch):
    rng = np.random.default_rng(0)
    truth = 3 + rng.normal(0, 0.5, (800, 1)) + rng.normal(0, 0.5, 30)
    values = np.clip(np.round(truth + rng.normal(0, 0.8, truth.shape)), 1, 5)
    chances = np.where(values >= 4, 0.4, 0.1)
    ratings = plain_ratings(np.where(rng.random(truth.shape) < chances, values, 0))
    known = Propensities(chances[ratings.users, ratings.items], 0, 0.01)
    monkeypatch.setattr(fit, "load_protocol", lambda: {**load_protocol(), "powers": [1.0]})
    of_all = tune_on_sample(ratings, known, Plan(model="mf-ips"))
    monkeypatch.setattr(fit, "TUNE_RATINGS", 500)
    of_some = tune_on_sample(ratings, known, Plan(model="mf-ips"))
    assert 0.5 <= of_some[1] / of_all[1] <= 2


def test_an_unknown_model_is_refused():
    with pytest.raises(ConfigError, match="choose of"):
        Plan(model="magic")
