"""Damage to a recommender that can be worked out by hand: everybody is shown the best means."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from tasks.robustness.behaviour import ATTACKS, choose_targets, forge
from tasks.robustness.corpus import Floats
from tasks.robustness.profiles import Aim
from tasks.robustness.recommender import K, Split, compare, judge_standing, serve, split_ratings
from tasks.robustness.surrogate import RidgeFactors
from tests.robustness.worlds import toy_corpus


@dataclass(frozen=True)
class Means:
    means: Floats

    def score_all(self, users):
        return np.tile(self.means, (len(users), 1))


class ItemMeans:
    def fit(self, users, items, ratings, *, n_users, n_items):
        counts = np.bincount(items, minlength=n_items)
        return Means((np.bincount(items, ratings, n_items) + 3.0) / (counts + 1.0))


def whole(corpus) -> Split:
    return Split(corpus, np.ones(corpus.n, dtype=bool))


@pytest.mark.parametrize(("mode", "sign"), [("push", 1), ("nuke", -1)])
def test_a_target_moves_where_the_attack_wants_it(mode, sign):
    corpus = toy_corpus(n_items=40)
    targets = choose_targets(corpus, mode)
    fakes = forge(ATTACKS["fake-reviews"], corpus, Aim(targets, mode), 30, np.random.default_rng(0))
    clean = serve(ItemMeans(), whole(corpus))
    damage = compare(clean, serve(ItemMeans(), whole(corpus), fakes), whole(corpus), targets)
    own = corpus.rating[corpus.item == targets[0]]
    before = (own.sum() + 3) / (len(own) + 1)
    after = (own.sum() + 30 * (corpus.highest if mode == "push" else corpus.lowest) + 3) / (
        len(own) + 31
    )
    assert damage.prediction_shift == pytest.approx(after - before)
    assert sign * damage.prediction_shift > 0
    assert sign * damage.hit_rate_lift >= 0


def test_pushed_from_the_bottom_to_the_top_a_target_displaces_one_place_in_k():
    corpus = toy_corpus(n_items=40)
    targets = choose_targets(corpus, "push")
    fakes = forge(ATTACKS["fake-reviews"], corpus, Aim(targets), 300, np.random.default_rng(0))
    clean, split = serve(ItemMeans(), whole(corpus)), whole(corpus)
    damage = compare(clean, serve(ItemMeans(), split, fakes), split, targets)
    assert damage.clean.hit_rate == 0
    assert damage.attacked.hit_rate == 1
    open_users = damage.clean.users
    assert damage.displaced == pytest.approx(open_users / len(corpus.users) / K)


def test_rows_that_are_not_kept_do_no_harm():
    corpus = toy_corpus()
    split = split_ratings(corpus, np.random.default_rng(0))
    fakes = forge(ATTACKS["love-hate"], corpus, Aim((0,)), 40, np.random.default_rng(0))
    keep = np.arange(corpus.n + 40) < corpus.n
    clean = serve(RidgeFactors(), split)
    kept = serve(RidgeFactors(), split, fakes, keep)
    assert np.allclose(clean.scores, kept.scores, equal_nan=True)


def test_rated_items_are_never_shown_and_do_not_count():
    corpus = toy_corpus()
    served = serve(ItemMeans(), whole(corpus))
    seen = set(zip(corpus.user.tolist(), corpus.item.tolist(), strict=True))
    shown = {
        (u, int(i))
        for u in range(len(corpus.users))
        for i in served.top[u]
        if np.isfinite(served.scores[u, i])
    }
    assert not seen & shown
    standing = judge_standing(served, whole(corpus), (0,))
    assert standing.users == len(corpus.users) - len({u for u, i in seen if i == 0})


def test_held_out_ratings_judge_and_nothing_held_out_is_no_result():
    corpus = toy_corpus()
    assert judge_standing(serve(ItemMeans(), whole(corpus)), whole(corpus), (0,)).ndcg is None
    split = split_ratings(corpus, np.random.default_rng(0))
    standing = judge_standing(serve(ItemMeans(), split), split, (0,))
    assert 0 < standing.ndcg < 1
    assert standing.ndcg_users > 10


def test_the_surrogate_learns_what_means_cannot():
    rng = np.random.default_rng(0)
    taste, kind = rng.normal(size=200), rng.normal(size=50)
    users, items = (a.ravel() for a in np.meshgrid(np.arange(200), np.arange(50), indexing="ij"))
    ratings = 3 + taste[users] * kind[items] + 0.1 * rng.normal(size=len(users))
    known = rng.random(len(users)) < 0.4
    fitted = RidgeFactors(penalty=1.0).fit(
        users[known], items[known], ratings[known], n_users=200, n_items=50
    )
    left = fitted.predict(users[~known], items[~known]) - ratings[~known]
    assert left.std() < 0.3 * ratings.std()
    assert np.allclose(fitted.score_all(np.arange(200))[users, items], fitted.predict(users, items))


def test_fake_accounts_are_no_genuine_users():
    corpus = toy_corpus()
    fakes = forge(ATTACKS["random"], corpus, Aim((0,)), 40, np.random.default_rng(0))
    reordered = fakes.with_columns(pl.concat_str(pl.lit("0"), "user_id").alias("user_id"))
    served = [serve(RidgeFactors(), whole(corpus), frame) for frame in (fakes, reordered)]
    assert served[0].scores.shape == (len(corpus.users), len(corpus.items))
    assert np.allclose(served[0].scores, served[1].scores, equal_nan=True)
