"""Second opinions on the night's question, on worlds of known truth."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from tasks.effects.estimate import Method, Window
from tasks.effects.second_opinion import ask_opinion, draw_users
from tests.effects.worlds import TRUTH, make_world

WINDOW = Window("shop", "all", date(2024, 1, 1), date(2024, 1, 31))


def opinion_of(frame, **given):
    frame = frame.rename({"x1": "c__x1", "x2": "c__x2"})
    asked = {
        "attribute": "sound", "opinion": "irm", "window": WINDOW, "attributes": tuple(TRUTH),
        "outcome": "rating", "method": Method(), "max_rows": 600,
    }  # fmt: skip
    return ask_opinion(frame, **(asked | given))


@pytest.mark.slow
def test_an_opinion_covers_the_truth_that_the_naive_figure_misses():
    (row,) = opinion_of(make_world(np.random.default_rng(1)).frame())
    assert row["ci_low"] < 1.2 < row["ci_high"]
    assert row["naive"] > row["ci_high"]
    assert (row["estimator"], row["contrast"]) == ("irm", "negative_to_positive")
    assert row["n"] == row["n_positive"] + row["n_negative"] <= 600


def test_an_attribute_that_few_speak_of_has_no_opinion():
    assert opinion_of(make_world(np.random.default_rng(2), rows=400).frame()) == []


def test_users_are_drawn_whole_and_the_same_every_time():
    frame = make_world(np.random.default_rng(3)).frame()
    drawn = draw_users(frame, 1000)
    assert 900 < drawn.height <= 1000
    again = draw_users(frame.sample(fraction=1.0, shuffle=True, seed=1), 1000)
    assert set(again["user_id"]) == set(drawn["user_id"])
    counts = frame.group_by("user_id").len().join(drawn.group_by("user_id").len(), on="user_id")
    assert (counts["len"] == counts["len_right"]).all()


def test_an_account_of_very_many_rows_ends_no_draw():
    for shared in range(20):  # some of these names come first of all by their hash
        users = [f"anonymous {shared}"] * 600 + [f"u{at}" for at in range(900)]
        drawn = draw_users(pl.DataFrame({"user_id": users}), 500)
        assert drawn.height == drawn["user_id"].n_unique() == 500


@pytest.mark.parametrize("most", [10_000])
def test_small_panels_are_taken_whole(most):
    frame = make_world(np.random.default_rng(4)).frame()
    assert draw_users(frame, most).equals(frame)
