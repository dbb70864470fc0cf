from dataclasses import replace

import numpy as np
import pytest

from tasks.platform.errors import ConfigError, InputError
from tasks.recommend.data import from_matrix
from tasks.recommend.propensity import (
    Propensities,
    clip_propensities,
    estimate_logistic,
    estimate_naive_bayes,
    estimate_popularity,
    find_propensities,
    use_given,
)
from tests.recommend.worlds import plain_ratings, selected_world


def test_naive_bayes_learns_that_high_ratings_are_seen_more_often():
    ratings, truth = selected_world()
    sample = np.where(np.random.default_rng(3).random(4000) < 0.5, 4.0, 2.0)
    assert estimate_naive_bayes(ratings, sample).values == pytest.approx(truth, abs=0.05)


def test_naive_bayes_without_a_random_sample_is_refused():
    with pytest.raises(InputError, match="it is empty"):
        estimate_naive_bayes(selected_world()[0], np.array([]))


def test_popularity_is_the_share_of_users_who_rated():
    ratings, _ = selected_world()
    shares = np.bincount(ratings.items, minlength=60) / 60
    assert estimate_popularity(ratings).values == pytest.approx(shares[ratings.items])


@pytest.mark.parametrize("n_users", [80, 4000])
def test_logistic_propensities_follow_features_however_many_pairs_are_drawn(n_users):
    users = np.eye(2)[np.arange(n_users) % 2]
    rates = np.where(users[:, :1] == 1, 0.06, 0.01) * (10 if n_users == 80 else 1)
    seen = np.random.default_rng(0).random((n_users, 100)) < rates
    ratings = from_matrix(seen * 3.0, users, np.ones((100, 1)))
    found = estimate_logistic(ratings, floor=1e-4).values
    for side in (0, 1):
        own = found[ratings.users % 2 == side]
        assert own.mean() == pytest.approx(rates[side, 0], rel=0.12)


def test_a_propensity_of_zero_is_clipped_and_counted():
    ratings = plain_ratings(np.full((2, 2), 3.0))
    found = use_given(np.array([[0.0, 0.5], [0.5, 0.5]]), ratings, floor=0.01)
    assert found.n_clipped == 1
    assert found.values.min() == 0.01


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.ones(3), "one for each of 4 ratings, found 3"),
        (np.array([0.5, 1.5, 0.2, 0.1]), r"1 of the propensities.*such as 1\.5"),
        (np.full(4, np.nan), "4 of the propensities"),
    ],
)
def test_propensities_of_another_shape_or_out_of_range_are_refused(values, words):
    with pytest.raises(InputError, match=words):
        clip_propensities(values, plain_ratings(np.full((2, 2), 3.0)), floor=0.01)


def test_a_floor_of_zero_is_refused():
    with pytest.raises(ConfigError, match="floor"):
        clip_propensities(np.ones(4), plain_ratings(np.full((2, 2), 3.0)), floor=0.0)


def test_given_propensities_come_before_any_others():
    ratings, given = selected_world()
    grid = np.full(ratings.shape, 0.5)
    grid[ratings.users, ratings.items] = given
    found, method = find_propensities(ratings, given=grid)
    assert method == "given"
    assert found.values == pytest.approx(given)
    assert not found.is_of_rows
    assert find_propensities(ratings, given=given)[0].is_of_rows


def test_a_random_sample_tells_more_than_popularity():
    ratings, truth = selected_world()
    sample = np.where(np.random.default_rng(3).random(4000) < 0.5, 4.0, 2.0)
    found, method = find_propensities(ratings, sample=sample)
    assert method == "naive Bayes"
    assert found.values == pytest.approx(truth, abs=0.05)


def test_where_every_pair_is_rated_nothing_was_selected():
    values = np.random.default_rng(0).integers(1, 6, (6, 5)).astype(float)
    ratings = from_matrix(values, np.eye(6), np.eye(5))
    found, method = find_propensities(ratings)
    assert method == "popularity"
    assert (found.values == 1).all()


def test_the_floor_follows_the_rate_of_sparse_ratings():
    values = np.zeros((400, 400))
    values[np.arange(400), np.arange(400)] = 3.0
    found, _ = find_propensities(plain_ratings(values))
    assert found.floor == pytest.approx(1 / 4000)
    assert found.n_clipped == 0


def test_inverse_propensities_of_a_random_part_still_sum_to_all_pairs():
    ratings, chances = selected_world()
    n_pairs = np.prod(ratings.shape)
    part = np.flatnonzero(np.random.default_rng(0).random(len(ratings)) < 0.6)
    known = Propensities(chances, 0, 0.01)
    assert (1 / known.thin(part).values).sum() == pytest.approx(n_pairs, rel=0.05)
    of_rows = replace(known, is_of_rows=True).thin(part)
    assert of_rows.values.tolist() == chances[part].tolist()


def test_a_random_sample_on_another_scale_is_refused():
    with pytest.raises(InputError, match=r"1 of 2 ratings .* lie outside \[1, 5\] \(such as 8\)"):
        estimate_naive_bayes(selected_world()[0], np.array([4.0, 8.0]))
