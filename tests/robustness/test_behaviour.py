"""Behaviour attacks write what they say they write, and nothing an attacker could not."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from tasks.platform.errors import ConfigError
from tasks.robustness.behaviour import ATTACKS, choose_targets, forge, size_of
from tasks.robustness.corpus import SAYS, make_corpus
from tasks.robustness.profiles import Aim, profile_size
from tests.robustness.worlds import START, toy_corpus

ROWS = 60


def forge_toy(name: str, *, mode="push", tale="agree", seed=0, attribute="price", items=None):
    corpus = toy_corpus()
    targets = choose_targets(corpus, mode) if items is None else items
    aim = Aim(targets, mode, attribute, tale)
    return forge(ATTACKS[name], corpus, aim, ROWS, np.random.default_rng(seed)), targets


@pytest.mark.parametrize("name", ATTACKS)
def test_fakes_are_rows_that_a_new_account_could_write(name):
    corpus = toy_corpus()
    fakes, _ = forge_toy(name)
    assert fakes.height == ROWS
    assert fakes.schema == corpus.frame.schema
    assert not set(fakes["user_id"]) & set(corpus.users)
    assert set(fakes["item_id"]) <= set(corpus.items)
    assert set(fakes["rating"]) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    last = START + dt.timedelta(days=27)
    assert fakes["event_date"].is_between(last - dt.timedelta(days=6), last).all()
    assert fakes["review_id"].n_unique() == ROWS


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("mode", ["push", "nuke"])
def test_fakes_keep_to_a_scale_of_half_stars(name, mode):
    frame = toy_corpus().frame.with_columns(pl.col("rating") - 0.5)
    corpus = make_corpus(frame.with_columns(pl.col("rating").replace(4.5, 5.0)), ["price"])
    aim = Aim(choose_targets(corpus, mode), mode, "price")
    fakes = forge(ATTACKS[name], corpus, aim, ROWS, np.random.default_rng(0))
    assert set(fakes["rating"]) <= {*np.arange(0.5, 5.1, 0.5)}
    if name == "noise":
        assert set(fakes["rating"]) == set(corpus.rating) == {0.5, 1.5, 2.5, 3.5, 5.0}


@pytest.mark.parametrize(
    "name", ["random", "average", "bandwagon", "love-hate", "segment", "noise"]
)
def test_no_account_rates_an_item_twice(name):
    fakes, _ = forge_toy(name)
    assert not fakes.select("user_id", "item_id").is_duplicated().any()
    sizes = fakes.group_by("user_id").len()["len"]
    assert sizes.max() == profile_size(toy_corpus())


@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_seed_gives_the_same_attack_and_another_another(name):
    assert forge_toy(name)[0].equals(forge_toy(name)[0])
    assert not forge_toy(name)[0].equals(forge_toy(name, seed=1)[0])


@pytest.mark.parametrize(
    "name", ["random", "average", "bandwagon", "love-hate", "segment", "fake-reviews"]
)
@pytest.mark.parametrize(("mode", "rating"), [("push", 5.0), ("nuke", 1.0)])
def test_targets_get_the_extreme_rating_from_every_account(name, mode, rating):
    fakes, targets = forge_toy(name, mode=mode)
    named = [toy_corpus().items[code] for code in targets]
    own = fakes.filter(pl.col("item_id").is_in(named))
    assert set(own["rating"]) == {rating}
    assert own["user_id"].n_unique() == fakes["user_id"].n_unique()


def test_texts_praise_beside_high_ratings_or_the_reverse():
    for mode, tale, side in (
        ("push", "agree", 1), ("push", "contradict", -1), ("nuke", "agree", -1), ("nuke", "contradict", 1),
    ):  # fmt: skip
        fakes, targets = forge_toy("love-hate", mode=mode, tale=tale)
        is_target = fakes["item_id"] == toy_corpus().items[targets[0]]
        assert set(fakes.filter(is_target)[f"{SAYS}price"]) == {side}
        assert set(fakes.filter(~is_target)[f"{SAYS}price"]) == {0}
        said = fakes.filter(is_target)["text"].str.contains("price")
        assert said.all()
        assert not fakes.filter(~is_target)["text"].str.contains("price").any()


def test_fillers_of_love_hate_are_rated_to_the_other_extreme():
    fakes, targets = forge_toy("love-hate")
    others = fakes.filter(pl.col("item_id") != toy_corpus().items[targets[0]])
    assert set(others["rating"]) == {1.0}


def test_fillers_of_an_average_attack_lie_nearer_the_items_means_than_random_ones():
    corpus = toy_corpus()
    gaps = {}
    for name in ("random", "average"):
        fakes, targets = forge_toy(name)
        rows = fakes.filter(pl.col("item_id") != corpus.items[targets[0]])
        means = dict(zip(corpus.items, corpus.item_means, strict=True))
        gaps[name] = np.mean(
            [abs(r - means[i]) for i, r in rows.select("item_id", "rating").iter_rows()]
        )
    assert gaps["average"] < gaps["random"]


def test_a_bandwagon_jumps_on_the_most_rated_items():
    corpus = toy_corpus()
    fakes, targets = forge_toy("bandwagon")
    popular = corpus.items[int(np.argmax(corpus.item_counts))]
    assert targets[0] != corpus.items.index(popular)
    per_account = fakes.filter(pl.col("item_id") == popular)
    assert per_account.height == fakes["user_id"].n_unique()
    assert set(per_account["rating"]) == {5.0}


def test_fake_reviews_without_targets_write_both_sides_in_turn():
    fakes, _ = forge_toy("fake-reviews", tale="contradict", items=())
    sides = fakes.select(pl.col("rating") > 3, pl.col(f"{SAYS}price") > 0)
    assert (sides["rating"] != sides[f"{SAYS}price"]).all()
    assert sides["rating"].sum() == ROWS / 2


def test_targets_follow_their_rule():
    corpus = toy_corpus()
    (pushed,), (nuked,) = choose_targets(corpus, "push"), choose_targets(corpus, "nuke")
    enough = corpus.item_counts >= 3
    assert corpus.item_means[pushed] == corpus.item_means[enough].min()
    well_known = np.argsort(-corpus.item_counts, kind="stable")[: len(corpus.items) // 4]
    assert corpus.item_means[nuked] == corpus.item_means[well_known].max()


def test_where_genuine_reviews_have_no_text_fakes_have_none():
    corpus = make_corpus(toy_corpus().frame.with_columns(text=pl.lit("")), ["price"])
    fakes = forge(ATTACKS["random"], corpus, Aim((0,)), 20, np.random.default_rng(0))
    assert set(fakes["text"]) == {""}


def test_impossible_attacks_are_refused_in_words():
    with pytest.raises(ConfigError, match="needs target items"):
        forge_toy("random", items=())
    with pytest.raises(ConfigError, match="no attribute 'taste'"):
        forge_toy("random", attribute="taste")
    with pytest.raises(ConfigError, match="share of the data"):
        size_of(toy_corpus(), 1.5)
