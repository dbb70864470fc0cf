"""What a comparison of recommenders says, and what it says it cannot."""

from dataclasses import replace

import numpy as np
import pytest

from flows.commands.recommend import tell_comparison
from tasks.recommend.compare import can_tell, compare_errors, list_doubts
from tasks.recommend.propensity import Propensities
from tasks.recommend.sources import Source, split_source
from tests.recommend.worlds import plain_ratings, rich_ratings


@pytest.mark.parametrize(
    ("shift", "verdict"), [(1.0, "better"), (0.0, "no difference"), (-1.0, "worse")]
)
def test_a_model_is_better_or_worse_only_beyond_chance(shift: float, verdict: str) -> None:
    test = rich_ratings()
    rng = np.random.default_rng(0)
    naive = (rng.normal(size=len(test)) + max(shift, 0)) ** 2
    found = (rng.normal(size=len(test)) + max(-shift, 0)) ** 2
    row = compare_errors(found, naive, test)
    assert row["verdict"] == verdict
    assert row["low"] < row["mse_gain"] < row["high"]


def test_the_interval_of_a_gain_holds_it_as_often_as_it_says() -> None:
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        test = plain_ratings(np.where(rng.random((80, 12)) < 0.5, 3.0, 0.0))
        own = rng.normal(size=80)[test.users] * 0.5
        naive = (own + rng.normal(size=len(test))) ** 2
        found = rng.normal(size=len(test)) ** 2
        row = compare_errors(found, naive, test)
        held += row["low"] <= 0.25 <= row["high"]
    assert 0.9 <= held / 300 <= 0.98


@pytest.mark.parametrize("n_users", [2, 3, 5, 10])
def test_few_users_are_not_taken_for_many(n_users: int) -> None:
    test = plain_ratings(np.full((n_users, 60), 3.0))
    told = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        naive = rng.normal(size=n_users)[test.users] + rng.normal(size=len(test))
        told += compare_errors(np.zeros(len(test)), naive, test)["verdict"] != "no difference"
    assert told <= 22


def test_one_user_leaves_no_interval() -> None:
    test = plain_ratings(np.array([[3.0, 4.0]]))
    row = compare_errors(np.zeros(2), np.ones(2), test)
    assert (row["low"], row["verdict"]) == (None, "no difference")


def test_a_test_that_shows_nothing_of_debiasing_gives_no_verdict() -> None:
    chosen = split_source("table", plain_ratings(np.full((60, 40), 3.0)), seed=0)
    source = replace(chosen, is_random_test=True)
    assert can_tell(source)
    assert not can_tell(chosen)
    few = plain_ratings(np.full((60, 1), 3.0))
    assert not can_tell(replace(source, test=few))
    assert not can_tell(replace(source, test=plain_ratings(np.full((19, 40), 3.0))))
    test = source.test
    gains = np.ones(len(test)) + np.arange(len(test)) % 3
    row = compare_errors(np.zeros(len(test)), gains, test, can_tell=False)
    assert (row["verdict"], row["low"] > 0) == ("cannot tell", True)
    one = plain_ratings(np.array([[3.0, 4.0]]))
    assert compare_errors(np.zeros(2), np.ones(2), one, can_tell=False)["verdict"] == "cannot tell"
    assert "this test cannot tell" in tell_comparison({"model": "ips", "naive": "mf", **row})


def doubt(source: Source, *, clipped: int = 0, is_of_rows: bool = False) -> str:
    known = Propensities(np.full(len(source.train), 0.5), clipped, 0.01, is_of_rows)
    return " / ".join(list_doubts(source, known, lacks_features=True, top_k=5))


def test_what_a_test_cannot_say_is_said() -> None:
    source = split_source("table", rich_ratings(), seed=0)
    said = doubt(source, clipped=len(source.train))
    assert "chosen by the users" in said
    assert "ratings: too few to tell models apart" in said
    assert "lay below 0.01" in said
    assert "factor models here" in said
    assert "the users have at most 5 items" in said
    assert "learned by heart" not in said


def test_a_test_that_was_trained_on_is_noticed_but_in_a_log() -> None:
    source = replace(split_source("table", rich_ratings(), seed=0), is_random_test=True)
    both = replace(source, test=source.train)
    assert f"{len(both.test)} of {len(both.test)} test ratings are of pairs" in doubt(both)
    assert "learned by heart" not in doubt(both, is_of_rows=True)
    assert "chosen by the users" not in doubt(both)


def test_what_is_only_rounding_is_no_difference() -> None:
    test = rich_ratings()
    row = compare_errors(np.full(len(test), 2e-13), np.full(len(test), 1e-13), test)
    assert (row["mse_gain"], row["verdict"]) == (0.0, "no difference")


def test_ratings_that_are_all_alike_are_said_to_say_nothing() -> None:
    source = split_source("table", plain_ratings(np.full((10, 10), 1.0)), seed=0)
    assert "all training ratings are 1" in doubt(source)
    assert "all training ratings" not in doubt(split_source("table", rich_ratings(), seed=0))


def test_propensities_of_a_small_random_sample_are_doubted() -> None:
    source = split_source("table", rich_ratings(), seed=0)
    known = Propensities(np.full(len(source.train), 0.5), 0, 0.01)
    few, many = (" ".join(list_doubts(source, known, top_k=5, n_sample=n)) for n in (99, 100))
    assert "the random sample has 99 ratings" in few
    assert "random sample" not in many
