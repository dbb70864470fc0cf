"""Rows of a window: numbers where there are any, words where there are none."""

import datetime as dt
import json
import math

import numpy as np
import pytest

from tasks.effects.estimate import Method, Window, add_q_values, estimate_effects
from tasks.effects.moments import Moments
from tests.effects.worlds import TRUTH, World, make_world

WINDOW = Window("sample", "28d", dt.date(2024, 3, 1), dt.date(2024, 3, 28))
NUMBERS = ("estimate", "std_error", "ci_low", "ci_high", "p_value", "q_value", "robustness_value")


def rows_of(moments: Moments, **given) -> dict[tuple[str, str], dict]:
    rows = estimate_effects(moments, window=WINDOW, attributes=list(TRUTH), **given)
    return {(row["attribute"], row["contrast"]): row for row in rows}


def changed(world: World, column: int, values: np.ndarray) -> Moments:
    world.d[:, column] = values
    return world.moments()


def test_every_attribute_has_three_rows_with_all_keys():
    rows = rows_of(make_world(np.random.default_rng(1)).moments())
    assert len(rows) == 9
    row = rows["sound", "negative_to_positive"]
    assert {
        "source", "window", "window_start", "window_end", "outcome", "attribute", "contrast",
        "estimator", "estimate", "std_error", "ci_low", "ci_high", "naive", "naive_ci_low",
        "naive_ci_high", "n", "n_positive", "n_negative", "verdict", "reasons", "q_value",
    } <= set(row)  # fmt: skip
    assert (row["n"], row["n_positive"], row["n_negative"]) == (4000, 320, 320)
    assert row["window_start"] == dt.date(2024, 3, 1)
    json.dumps([{**r, "window_start": "", "window_end": ""} for r in rows.values()])


def test_effects_hold_the_truth_where_the_naive_difference_does_not():
    rows = rows_of(make_world(np.random.default_rng(2), rows=20_000).moments())
    for attribute, (positive, negative) in TRUTH.items():
        row = rows[attribute, "negative_to_positive"]
        truth = positive - negative
        assert abs(row["estimate"] - truth) < 3 * row["std_error"]
        assert row["naive_ci_low"] > truth + 1
        assert row["verdict"] == "credible"
        assert any("naive difference" in reason for reason in row["reasons"])


def test_the_headline_is_the_difference_of_the_sides():
    rows = rows_of(make_world(np.random.default_rng(3)).moments())
    for key in ("estimate", "naive"):
        both = rows["sound", "negative_to_positive"][key]
        apart = rows["sound", "positive"][key] - rows["sound", "negative"][key]
        assert both == pytest.approx(apart, abs=1e-10)


@pytest.mark.parametrize("mentions", [0, 1, 29])
def test_too_few_mentions_give_no_result_and_say_so(mentions: int):
    world = make_world(np.random.default_rng(4))
    few = np.zeros(4000)
    few[:mentions] = 1
    rows = rows_of(changed(world, 0, few))
    for name in ("positive", "negative_to_positive"):
        row = rows["sound", name]
        assert row["verdict"] == "no result"
        assert all(row[key] is None for key in NUMBERS)
        said = "1 review;" if mentions == 1 else f"{mentions} reviews;"
        assert f"mentioned positively in {said}" in row["reasons"][0]
    assert rows["sound", "negative"]["verdict"] == "credible"
    assert rows["price", "positive"]["estimate"] is not None


def test_mentions_too_few_to_estimate_are_still_held_constant():
    """25 glowing mentions of the price fall on mentions of the sound and lift their rating by 20."""
    world = make_world(np.random.default_rng(20))
    rare = np.zeros(4000)
    rare[np.flatnonzero(world.d[:, 0])[:25]] = 1
    world.y[:] = world.y + 20 * rare - 0.2 * world.d[:, 2]
    rows = rows_of(changed(world, 2, rare))
    assert rows["price", "positive"]["verdict"] == "no result"
    row = rows["sound", "positive"]
    assert abs(row["estimate"] - TRUTH["sound"][0]) < 4 * 0.1  # else it were 20 * 25 / 320 off


def test_no_number_is_ever_not_a_number():
    world = make_world(np.random.default_rng(5), rows=300, users=15)
    for row in rows_of(world.moments(), method=Method(min_mentions=1)).values():
        values = [row[key] for key in (*NUMBERS, "naive", "naive_ci_low") if row[key] is not None]
        assert all(math.isfinite(value) for value in values)


def test_mentioned_everywhere_is_no_result():
    world = make_world(np.random.default_rng(6))
    row = rows_of(changed(world, 0, np.ones(4000)))["sound", "positive"]
    assert row["verdict"] == "no result"
    assert "every review" in row["reasons"][0]


def test_attributes_that_always_come_together_are_no_result_for_both():
    world = make_world(np.random.default_rng(7))
    rows = rows_of(changed(world, 2, world.d[:, 0].copy()))
    for attribute, other in (("sound", "price"), ("price", "sound")):
        row = rows[attribute, "positive"]
        assert row["verdict"] == "no result"
        assert f"cannot be told apart from praise of {other}" in row["reasons"][0]
    assert rows["shipping", "positive"]["estimate"] is not None


def test_a_mention_that_the_controls_decide_is_no_result_or_not_credible():
    world = make_world(np.random.default_rng(8))
    mention = (world.x[:, 0] > 1.2).astype(float)
    world.x[:, 1] = mention
    row = rows_of(changed(world, 0, mention))["sound", "positive"]
    assert row["verdict"] in ("no result", "not credible")


def test_mentions_of_one_user_are_not_credible():
    world = make_world(np.random.default_rng(9), users=200, concentration=1.0)
    heavy = np.bincount(world.user).argmax()
    row = rows_of(changed(world, 0, (world.user == heavy).astype(float)))["sound", "positive"]
    assert row["verdict"] == "not credible"
    assert "few users" in row["reasons"][0]
    lone = make_world(np.random.default_rng(9), users=12, concentration=0)
    row = rows_of(changed(lone, 0, (lone.user == 3) * lone.d[:, 0]))["sound", "positive"]
    assert row["verdict"] in ("no result", "not credible")


def test_an_empty_window_and_one_user_are_no_result():
    empty = make_world(np.random.default_rng(10)).moments()
    empty = Moments(empty.columns, empty.packed * 0, empty.rows * 0)
    lone = make_world(np.random.default_rng(11), users=1).moments()
    for moments in (empty, lone):
        for row in rows_of(moments).values():
            assert row["verdict"] == "no result"
            assert row["estimate"] is None
            assert row["reasons"][0]


def test_under_the_null_false_finds_are_marked():
    """240 null estimands over 20 worlds; a nominal 5% of families may keep one."""
    kept = 0
    for seed in range(20):
        world = make_world(np.random.default_rng(100 + seed), rows=2000)
        effects = np.array([value for pair in TRUTH.values() for value in pair])
        world.y[:] = world.y - world.d @ effects
        rows = rows_of(world.moments())
        found = [row for row in rows.values() if row["ci_low"] > 0 or row["ci_high"] < 0]
        kept += any(row["q_value"] <= 0.05 for row in found)
        assert all(row["verdict"] == "weak" for row in found if row["q_value"] > 0.05)
    assert kept <= 4


def test_q_values_may_be_taken_over_several_windows():
    moments = make_world(np.random.default_rng(16)).moments()
    rows = estimate_effects(moments, window=WINDOW, attributes=list(TRUTH))
    apart = estimate_effects(moments, window=WINDOW, attributes=list(TRUTH), is_adjusted=False)
    assert {row["q_value"] for row in apart} == {None}
    pooled = add_q_values([*apart, *apart])
    assert len(pooled) == 18
    assert [row["q_value"] for row in pooled[:9]] == pytest.approx(
        [row["q_value"] for row in rows]
    )  # twice the tests, twice the ranks
