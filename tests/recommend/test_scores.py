import numpy as np
import pytest

from tasks.recommend.scores import (
    describe_exposure,
    find_auc,
    find_calibration_error,
    find_gap,
    rank_users,
    score,
    score_groups,
    spread,
)
from tests.recommend.worlds import plain_ratings


def test_auc_counts_ties_half_and_has_no_result_with_one_class():
    assert find_auc(np.array([1.0, 1.0]), np.array([True, False])) == 0.5
    assert find_auc(np.array([1.0, 2.0]), np.array([True, True])) is None


def test_ndcg_by_hand_leaves_out_users_without_a_relevant_pair():
    found = np.array([3.0, 2.0, 1.0, 5.0])
    good = np.array([False, True, False, False])
    users, items = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0])
    ndcg, recall = rank_users(found, good, users, items, top_k=2)
    assert ndcg == pytest.approx(1 / np.log2(3))
    assert recall == 1.0


@pytest.mark.parametrize("first", [True, False])
def test_items_predicted_alike_share_their_places_whatever_their_order(first):
    good = np.zeros(15, dtype=bool)
    good[:5] = True
    good = good if first else good[::-1]
    ndcg, recall = rank_users(np.full(15, 4.0), good, np.zeros(15, int), np.arange(15), top_k=5)
    assert ndcg == pytest.approx(1 / 3)
    assert recall == pytest.approx(1 / 3)


def test_without_ties_ndcg_is_that_of_scikit_learn():
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(0)
    found, good = rng.normal(size=(40, 12)), rng.random((40, 12)) < 0.3
    users, items = np.divmod(np.arange(480), 12)
    kept = good.any(axis=1)
    ndcg, _ = rank_users(found.ravel(), good.ravel(), users, items, top_k=5)
    assert ndcg == pytest.approx(ndcg_score(good[kept], found[kept], k=5))


def test_with_ties_ndcg_is_that_of_scikit_learn():
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(1)
    found, good = rng.integers(0, 4, (40, 12)).astype(float), rng.random((40, 12)) < 0.3
    users, items = np.divmod(np.arange(480), 12)
    kept = good.any(axis=1)
    ndcg, _ = rank_users(found.ravel(), good.ravel(), users, items, top_k=5)
    assert ndcg == pytest.approx(ndcg_score(good[kept], found[kept], k=5))


def test_an_item_that_many_rows_of_a_log_show_takes_one_place():
    found = np.array([5.0, 5.0, 5.0, 4.0])
    good = np.array([False, False, False, True])
    ndcg, recall = rank_users(found, good, np.zeros(4, int), np.array([7, 7, 7, 1]), top_k=2)
    assert ndcg == pytest.approx(1 / np.log2(3))
    assert recall == 1.0


@pytest.mark.parametrize("times", [1, 2, 3, 6, 7])
def test_a_tie_stays_one_however_often_an_item_is_shown(times: int):
    found, good = np.full(times + 1, 0.1), np.array([True] * times + [False])
    ndcg, _ = rank_users(
        found, good, np.zeros(times + 1, int), np.array([0] * times + [1]), top_k=1
    )
    assert ndcg == pytest.approx(0.5)


def test_groups_are_ranked_as_all_are():
    test = plain_ratings(np.array([[5.0, 1.0]]))
    cut, raw = np.array([5.0, 5.0]), np.array([6.0, 5.5])
    rows = score_groups(cut, test, ["a"], side="user", relevant=3, top_k=1, ranked=raw)
    assert rows[0]["ndcg"] == 1.0


def test_where_nothing_is_listed_there_is_no_exposure():
    assert set(describe_exposure(np.array([], dtype=int), np.ones(3)).values()) == {None}


def test_order_is_judged_by_what_was_not_cut_to_the_scale():
    test = plain_ratings(np.array([[5.0, 1.0]]))
    cut = np.array([5.0, 5.0])
    assert score(cut, test, relevant=3, top_k=1)["auc"] == 0.5
    assert score(cut, test, relevant=3, top_k=1, ranked=np.array([6.0, 5.5]))["auc"] == 1.0


def test_calibration_error_is_zero_for_right_means_and_the_shift_for_shifted_ones():
    actual = np.repeat(np.arange(1.0, 6.0), 20)
    assert find_calibration_error(actual, actual) == 0.0
    assert find_calibration_error(actual + 0.3, actual) == pytest.approx(0.3)


def test_lists_of_one_popular_item_have_little_coverage_and_a_popularity_lift():
    popularity = np.array([10.0, 1.0, 1.0, 0.0])
    same = describe_exposure(np.zeros((8, 1), dtype=int), popularity)
    spread = describe_exposure(np.tile(np.arange(4)[:, None], (2, 1)), popularity)
    assert same["coverage"] == 0.25
    assert same["gini"] == pytest.approx(0.75)
    assert same["popularity_lift"] == pytest.approx(10 / (102 / 12))
    assert (spread["coverage"], spread["gini"]) == (1.0, 0.0)
    assert spread["popularity_lift"] < 1


def test_a_group_served_worse_shows_as_a_gap():
    test = plain_ratings(np.full((4, 3), 4.0))
    found = np.where(test.users < 2, 4.0, 3.0)
    rows = score_groups(found, test, ["a", "a", "b", "b"], side="user", relevant=3, top_k=2)
    assert [row["mse"] for row in rows] == [0.0, 1.0]
    assert find_gap(rows, "mse") == 1.0
    assert [row["n"] for row in rows] == [6, 6]


def test_a_group_without_test_ratings_is_listed_with_no_result():
    test = plain_ratings(np.array([[4.0, 4.0], [0.0, 0.0]]))
    rows = score_groups(test.ratings, test, ["a", "b"], side="user", relevant=3, top_k=2)
    assert rows[1] == {"level": "b", "n": 0, "mse": None, "bias": None, "ndcg": None}
    assert find_gap(rows, "mse") is None


def test_predictions_that_are_all_the_mean_are_calibrated_whatever_the_order_of_the_rows():
    actual = np.repeat(np.arange(1.0, 6.0), 20)
    constant = np.full(100, 3.0)
    assert find_calibration_error(constant, actual) == pytest.approx(0)
    assert find_calibration_error(constant, actual[::-1]) == pytest.approx(0)


def test_a_single_training_has_no_deviation():
    assert spread([1.0]) == {"mean": 1.0, "sd": None}
    assert spread([1.0, 3.0]) == {"mean": 2.0, "sd": pytest.approx(2**0.5)}
