"""The core of the recommender: parts, debiasing, scores. Made worlds state their truth."""

import os
from pathlib import Path

import numpy as np
import pytest

from tasks.platform.errors import ConfigError, EstimationError, InputError
from tasks.recommend.data import Ratings, from_matrix, load_source
from tasks.recommend.debias import fit_debiased, weigh
from tasks.recommend.evaluate import evaluate_models, find_auc, rank_users
from tasks.recommend.models import choose_parts, interact, make_inputs
from tasks.recommend.propensity import (
    clip_propensities,
    estimate_logistic,
    estimate_naive_bayes,
    estimate_popularity,
)
from tasks.recommend.train import check_size, fit_grid

MEAN = {"user": 0.0}
DATA = Path(os.environ.get("WHYREC_REAL_DATA", "../shared/data"))


def find_real_data(name: str) -> Path:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is absent; set WHYREC_REAL_DATA to the folder that holds it")
    return DATA / name


def selected_world(seed: int = 0) -> tuple[Ratings, np.ndarray]:
    """All ratings are 2 or 4, equally often; 4s are rated with chance .8, 2s with .2.

    Truth: the mean of all pairs is 3.0; that of the rated ones is .8*4 + .2*2 = 3.6.
    """
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random((60, 60)) < 0.5, 4.0, 2.0)
    propensities = np.where(truth == 4, 0.8, 0.2)
    seen = rng.random(truth.shape) < propensities
    none = np.zeros((60, 0))
    return from_matrix(np.where(seen, truth, 0), none, none), propensities


def test_the_sources_worked_example_of_phi_is_0_36():
    assert interact(np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])) == pytest.approx(0.36)


@pytest.mark.parametrize("method", ["ips", "snips", "dr", "stabledr"])
def test_debiasing_recovers_the_mean_that_naive_training_misses(method):
    ratings, propensities = selected_world()
    means = {}
    for name in ("naive", method):
        fitted = fit_debiased(
            name, ratings, make_inputs(ratings), propensities, variances=MEAN, seed=0, power=1.0
        )
        means[name] = fitted.grid.mean()
    assert means["naive"] == pytest.approx(3.6, abs=0.05)
    assert means[method] == pytest.approx(3.0, abs=0.08)


def test_snips_weights_sum_to_the_number_of_ratings():
    ratings, propensities = selected_world()
    grid = weigh(ratings, propensities, power=1.0, is_normalised=True)
    assert grid.sum() == pytest.approx(len(ratings))
    assert (grid > 0).sum() == len(ratings)


def test_a_user_never_rated_is_predicted_by_features():
    users = np.eye(2)[np.arange(40) % 2]
    values = np.where(users[:, :1] == 1, 5.0, 1.0) * np.ones((40, 8))
    values[0] = 0
    ratings = from_matrix(values, users, np.eye(2)[np.arange(8) % 2])
    fitted = fit_debiased(
        "naive", ratings, make_inputs(ratings), np.ones(ratings.shape), seed=0,
        variances=choose_parts("features", {"user": 0.1, "user_features": 5.0}),
    )  # fmt: skip
    assert fitted.grid[0] == pytest.approx(5.0, abs=0.2)


def test_the_fit_equals_closed_form_ridge():
    """One part, user effects of variance v: g_u = v Σ(r − μ) / (1 + v n) around the fitted mean."""
    rng = np.random.default_rng(1)
    values = rng.integers(1, 6, (5, 7)).astype(float)
    ratings = from_matrix(values, np.zeros((5, 0)), np.zeros((7, 0)))
    fitted = fit_grid(
        make_inputs(ratings), values, np.ones((5, 7)), variances={"user": 0.5}, seed=0
    )
    mean = fitted.parameters["mean"]
    expected = mean + 0.5 * (values - mean).sum(axis=1) / (1 + 0.5 * 7)
    assert fitted.grid[:, 0] == pytest.approx(expected, abs=1e-3)


def test_equal_ratings_one_user_and_one_item_give_that_rating():
    ratings = from_matrix(np.array([[4.0]]), np.zeros((1, 0)), np.zeros((1, 0)))
    fitted = fit_debiased(
        "ips", ratings, make_inputs(ratings), np.ones((1, 1)), seed=0,
        variances=choose_parts("mf", {"user": 0.1, "item": 0.1, "latent": 0.1}),
    )  # fmt: skip
    assert fitted.grid[0, 0] == pytest.approx(4.0)


def test_naive_bayes_learns_that_high_ratings_are_seen_more_often():
    ratings, truth = selected_world()
    sample = np.where(np.random.default_rng(3).random(4000) < 0.5, 4.0, 2.0)
    found = estimate_naive_bayes(ratings, sample).values[ratings.users, ratings.items]
    assert found == pytest.approx(truth[ratings.users, ratings.items], abs=0.05)


def test_popularity_is_the_share_of_users_who_rated():
    ratings, _ = selected_world()
    counts = np.bincount(ratings.items, minlength=60) / 60
    assert estimate_popularity(ratings).values[0] == pytest.approx(counts)


def test_logistic_propensities_follow_features():
    users = np.eye(2)[np.arange(80) % 2]
    seen = np.random.default_rng(0).random((80, 50)) < np.where(users[:, :1] == 1, 0.6, 0.1)
    ratings = from_matrix(seen * 3.0, users, np.ones((50, 1)))
    found = estimate_logistic(ratings).values
    assert found[0].mean() == pytest.approx(0.6, abs=0.05)
    assert found[1].mean() == pytest.approx(0.1, abs=0.05)


def test_a_propensity_of_zero_is_clipped_and_counted():
    ratings = from_matrix(np.full((2, 2), 3.0), np.zeros((2, 0)), np.zeros((2, 0)))
    found = clip_propensities(np.array([[0.0, 0.5], [0.5, 0.5]]), ratings, floor=0.01)
    assert found.n_clipped == 1
    assert found.values.min() == 0.01


def test_weights_that_are_all_zero_are_refused():
    ratings, _ = selected_world()
    with pytest.raises(EstimationError, match="not all 0"):
        fit_grid(make_inputs(ratings), np.ones((60, 60)), np.zeros((60, 60)), variances={}, seed=0)


def test_ratings_outside_the_scale_are_refused():
    with pytest.raises(InputError, match="outside"):
        from_matrix(np.array([[7.0]]), np.zeros((1, 0)), np.zeros((1, 0)))


def test_a_table_without_an_item_column_is_refused_with_what_it_has(tmp_path: Path):
    file = tmp_path / "r.csv"
    file.write_text("user,thing,rating\na,b,3\n")
    with pytest.raises(InputError, match="no column for item"):
        load_source("table", file)


def test_a_pair_rated_twice_keeps_its_last_rating(tmp_path: Path):
    file = tmp_path / "ratings.csv"
    file.write_text(
        "userId,movieId,rating\n1,1,2\n1,1,5\n" + "".join(f"2,{k},5\n" for k in range(9))
    )
    source = load_source("movielens", tmp_path)
    both = np.concatenate([source.train.ratings, source.test.ratings])
    assert len(both) == 10
    assert set(both) == {5.0}
    assert not source.is_random_test


def test_auc_counts_ties_half_and_has_no_result_with_one_class():
    assert find_auc(np.array([1.0, 1.0]), np.array([True, False])) == 0.5
    assert find_auc(np.array([1.0, 2.0]), np.array([True, True])) is None


def test_ndcg_by_hand_leaves_out_users_without_a_relevant_pair():
    found = np.array([3.0, 2.0, 1.0, 5.0])
    good = np.array([False, True, False, False])
    ndcg, recall = rank_users(found, good, np.array([0, 0, 0, 1]), top_k=2)
    assert ndcg == pytest.approx(1 / np.log2(3))
    assert recall == 1.0


def test_an_unknown_model_is_refused_with_those_there_are():
    source = load_source("coat", find_real_data("coat"))
    with pytest.raises(ConfigError, match="stabledr"):
        evaluate_models(source, ["magic"])


def test_coat_reaches_its_bars_and_debiasing_pays():
    source = load_source("coat", find_real_data("coat"))
    answer = evaluate_models(source, ["features", "ips"], seeds=1)
    naive, ips = answer["models"]
    assert ips["mse"]["mean"] <= 1.0 < naive["mse"]["mean"] + 0.1
    assert ips["auc"]["mean"] >= 0.815
    assert ips["ndcg_at_5"]["mean"] >= 0.73
    assert ips["mse"]["mean"] < naive["mse"]["mean"]
    assert ips["auc"]["mean"] > naive["auc"]["mean"]


def test_more_pairs_than_memory_allows_are_refused_before_anything_is_made():
    with pytest.raises(EstimationError, match="100,000 users x 100,000 items are more than"):
        check_size((100_000, 100_000))
