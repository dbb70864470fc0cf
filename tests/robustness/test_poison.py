"""Gradient attacks do more harm than the same number of fakes without a gradient."""

import numpy as np
import polars as pl
import pytest

from tasks.platform.errors import ConfigError
from tasks.robustness.behaviour import ATTACKS, choose_targets, forge
from tasks.robustness.corpus import SAYS, make_corpus
from tasks.robustness.effects import measure_damage
from tasks.robustness.poison import ROOM, poison_conclusion, poison_recommender
from tasks.robustness.profiles import Aim
from tasks.robustness.recommender import Split, judge_standing, serve
from tasks.robustness.surrogate import RidgeFactors
from tests.robustness.worlds import MeanTarget, sample_target, toy_corpus


@pytest.mark.parametrize(("tale", "sign"), [("agree", 1), ("contradict", -1)])
def test_gradient_reviews_move_an_effect_further_than_fake_reviews(tale, sign):
    target, aim = sample_target(), Aim((), "push", "size_fit", tale)
    rows = 90
    clean = target.conclude()
    plain = forge(ATTACKS["fake-reviews"], target.corpus, aim, rows, np.random.default_rng(0))
    sharp = poison_conclusion(target, aim, rows, np.random.default_rng(0))
    moved = [measure_damage(target, "size_fit", f, clean=clean).shift for f in (plain, sharp)]
    assert sharp.height == rows
    assert sign * moved[1] > sign * moved[0] > 0


def test_gradient_reviews_pick_the_side_that_the_gradient_wants():
    fakes = poison_conclusion(
        MeanTarget(toy_corpus()),
        Aim((), "push", "price", "contradict"),
        20,
        np.random.default_rng(0),
    )
    pairs = set(fakes.select("rating", f"{SAYS}price").iter_rows())
    assert pairs <= {(5.0, -1), (1.0, 1)}


def test_no_item_gets_more_fakes_than_its_room():
    corpus = toy_corpus()
    fakes = poison_conclusion(
        MeanTarget(corpus), Aim((), "push", "price", "agree"), 80, np.random.default_rng(0)
    )
    counts = dict(zip(corpus.items, corpus.item_counts, strict=True))
    for item, n in fakes.group_by("item_id").len().iter_rows():
        assert n <= -(-counts[item] // ROOM)


def test_gradient_profiles_raise_a_target_further_than_random_ones():
    corpus = toy_corpus(n_users=150, n_items=40)
    targets = choose_targets(corpus, "push")
    aim, rows = Aim(targets, "push"), 40
    split = Split(corpus, np.ones(corpus.n, dtype=bool))
    raised = {}
    for name, fakes in (
        ("random", forge(ATTACKS["random"], corpus, aim, rows, np.random.default_rng(0))),
        ("gradient", poison_recommender(corpus, aim, rows, np.random.default_rng(0))),
    ):
        raised[name] = judge_standing(
            serve(RidgeFactors(), split, fakes), split, targets
        ).prediction
        assert fakes.height == rows
        assert set(fakes["rating"]) <= {1.0, 2.0, 3.0, 4.0, 5.0}
        own = fakes.filter(pl.col("item_id") == corpus.items[targets[0]])
        assert set(own["rating"]) == {5.0}
    assert raised["gradient"] > raised["random"]


@pytest.mark.parametrize(("mode", "extreme"), [("push", 5.0), ("nuke", 0.5)])
def test_gradient_profiles_keep_to_a_scale_of_half_stars(mode, extreme):
    frame = toy_corpus().frame.with_columns(pl.col("rating") - 0.5)
    corpus = make_corpus(frame.with_columns(pl.col("rating").replace(4.5, 5.0)))
    targets = choose_targets(corpus, mode)
    fakes = poison_recommender(corpus, Aim(targets, mode), 40, np.random.default_rng(0))
    assert fakes["rating"].is_between(0.5, 5.0).all()
    own = fakes.filter(pl.col("item_id") == corpus.items[targets[0]])
    assert set(own["rating"]) == {extreme}


def test_what_is_missing_for_a_gradient_is_said():
    with pytest.raises(ConfigError, match="name one"):
        poison_conclusion(MeanTarget(toy_corpus()), Aim(()), 10, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="target items"):
        poison_recommender(toy_corpus(), Aim(()), 10, np.random.default_rng(0))
