import numpy as np
import pytest

from tasks.recommend.propensity import find_propensities
from tasks.recommend.quality import measure_model, predict_popularity
from tests.recommend.test_fit import structured
from tests.recommend.worlds import plain_ratings

RECIPE = {"power": 0.5, "penalty": 0.5}


@pytest.mark.parametrize("name", ["popularity", "bias", "features", "ips"])
def test_every_model_is_measured_on_the_same_held_out_ratings(name):
    ratings = structured()
    row = measure_model(
        ratings, find_propensities(ratings)[0], name, seed=0, relevant=4, recipe=RECIPE
    )
    assert row["n_train"] + row["n_test"] == len(ratings)
    assert 0 < row["mse"] < 2
    assert 0 < row["mse_weighted"] < 2
    assert 0 < row["coverage"] <= 1


def test_what_follows_users_is_predicted_better_than_by_popularity():
    ratings = structured()
    errors = {
        name: measure_model(
            ratings, find_propensities(ratings)[0], name, seed=0, relevant=4, recipe=RECIPE
        )["mse"]
        for name in ("popularity", "features")
    }
    assert errors["features"] < 0.7 * errors["popularity"]


def test_popularity_shrinks_means_and_ranks_by_counts():
    train = plain_ratings(np.array([[5.0, 1.0], [5.0, 0.0]]))
    found, ranked = predict_popularity(train, train)
    mean = 11 / 3
    assert found.tolist() == pytest.approx(
        [(10 + 5 * mean) / 7, (1 + 5 * mean) / 6, (10 + 5 * mean) / 7]
    )
    assert ranked.tolist() == [2, 1, 2]
