import numpy as np
import pytest

from tasks.recommend import rank
from tests.recommend.test_models import random_model
from tests.recommend.worlds import plain_ratings, rich_ratings


def by_hand(grid, seen, top_k):
    held = grid.copy()
    held[seen.users, seen.items] = -np.inf
    return np.argsort(-held, axis=1, kind="stable")[:, :top_k]


def test_rated_items_are_left_out_and_the_rest_ranked(monkeypatch):
    model, seen = random_model(), rich_ratings()
    expected = by_hand(model.predict_grid(), seen, 4)
    assert (rank.pick_top(model, seen, top_k=4).items == expected).all()
    monkeypatch.setattr(rank, "BLOCK_PAIRS", 50)
    assert (rank.pick_top(model, seen, top_k=4).items == expected).all()


def test_a_mix_goes_from_prediction_to_uplift():
    model, seen = random_model(), rich_ratings()
    uplift = np.linspace(0, 50, 20)
    nothing = seen.take(np.array([], dtype=int))
    only = rank.pick_top(model, nothing, top_k=3, uplift=uplift, mix=1.0)
    assert (only.items == [19, 18, 17]).all()
    half = rank.pick_top(model, nothing, top_k=1, uplift=uplift, mix=0.5)
    grid = 0.5 * model.predict_grid() + 0.5 * uplift
    assert half.scores[:, 0] == pytest.approx(grid.max(axis=1))


def test_asked_users_only_and_no_more_items_than_there_are():
    model, seen = random_model(), rich_ratings()
    tops = rank.pick_top(model, seen, top_k=99, users=np.array([7, 2]))
    assert tops.items.shape == (2, 20)
    assert np.isneginf(tops.scores[0]).sum() == (seen.users == 7).sum()


def test_popular_lists_leave_out_what_their_user_rated():
    seen = plain_ratings(np.array([[3.0, 0, 0], [3.0, 3.0, 0], [3.0, 3.0, 3.0], [0, 0, 0]]))
    assert rank.pick_popular(seen, top_k=2).tolist() == [1, 2, 2, 0, 1]


def test_what_is_listed_holds_no_item_that_its_user_rated():
    model, seen = random_model(), rich_ratings()
    tops = rank.pick_top(model, seen, top_k=99)
    assert len(tops.listed) == np.prod(seen.shape) - len(seen)
