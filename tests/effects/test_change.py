"""Changes between nights: exact where it is known, covering where it is simulated."""

import datetime as dt

import numpy as np
import pytest

from tasks.effects.change import Batches, add_change_q_values, compare_windows
from tasks.effects.estimate import Method, Row, Window, estimate_effects
from tasks.effects.moments import Moments, compute_moments
from tests.effects.worlds import TRUTH, World, make_world

EXACT = 1e-12
"""Sums of the same doubles in the same order."""
WINDOW = Window("sample", "all", dt.date(2024, 3, 1), dt.date(2024, 3, 28))
BUCKETS = 40


def take(world: World, rows: slice) -> Moments:
    return compute_moments(
        world.design[rows], world.bucket(BUCKETS)[rows], columns=world.columns, n_buckets=BUCKETS
    )


def compare(now, before, gained=(), lost=(), **given) -> dict[str, Row]:
    rows = compare_windows(
        Batches(now=now, before=before, gained=gained, lost=lost),
        window=WINDOW, attributes=list(TRUTH), outcome="rating", method=Method(**given),
    )  # fmt: skip
    return {row["attribute"]: row for row in rows}


def estimate(moments: Moments) -> dict[str, Row]:
    rows = estimate_effects(moments, window=WINDOW, attributes=list(TRUTH))
    return {r["attribute"]: r for r in rows if r["contrast"] == "negative_to_positive"}


def test_both_estimates_are_those_that_the_nights_published():
    world = make_world(np.random.default_rng(1))
    old, new = take(world, slice(0, 3800)), take(world, slice(3800, None))
    row = compare([old, new], [old], [new])["sound"]
    before = estimate(old)["sound"]
    now = estimate(take(world, slice(0, None)))["sound"]
    assert row["recomputed"] == pytest.approx(before["estimate"], abs=EXACT)
    assert row["estimate"] == pytest.approx(now["estimate"], abs=1e-9)
    assert row["change"] == pytest.approx(row["estimate"] - row["recomputed"], abs=EXACT)
    assert (row["n_gained"], row["n_lost"]) == (200, 0)


def test_windows_that_share_all_rows_have_not_moved_at_all():
    old = take(make_world(np.random.default_rng(2)), slice(0, None))
    row = compare([old], [old])["sound"]
    assert (row["change"], row["std_error"], row["p_value"]) == (0.0, 0.0, 1.0)


def test_windows_that_share_no_user_have_the_sum_of_both_variances():
    world = make_world(np.random.default_rng(3), users=40)
    bucket = world.bucket(BUCKETS)
    sides = [
        compute_moments(
            world.design[part], bucket[part], columns=world.columns, n_buckets=BUCKETS
        )
        for part in (bucket % 2 == 0, bucket % 2 == 1)
    ]  # fmt: skip
    row = compare([sides[0]], [sides[1]], [sides[0]], [sides[1]])["sound"]
    errors = [estimate(side)["sound"]["std_error"] for side in sides]
    assert row["std_error"] == pytest.approx(np.hypot(*errors), rel=1e-9)


def test_the_error_of_the_change_is_far_below_that_of_either_estimate():
    world = make_world(np.random.default_rng(4))
    old, new = take(world, slice(0, 3900)), take(world, slice(3900, None))
    row = compare([old, new], [old], [new])["sound"]
    assert row["std_error"] < 0.4 * estimate(old)["sound"]["std_error"]


def test_a_change_without_a_new_mention_is_never_called_sure():
    world = make_world(np.random.default_rng(5))
    quiet = World(world.x, world.d.copy(), world.y.copy(), world.user)
    quiet.d[3900:, :2] = 0
    old, new = take(quiet, slice(0, 3900)), take(quiet, slice(3900, None))
    row = compare([old, new], [old], [new])["sound"]
    assert row["mentions_gained"] == 0
    wide = (row["ci_high"] - row["ci_low"]) / 2
    assert wide == pytest.approx(12.706 * row["std_error"], rel=1e-3)  # t with one degree


def test_what_cannot_be_estimated_on_both_nights_has_no_change():
    world = make_world(np.random.default_rng(6))
    few = World(world.x, world.d.copy(), world.y, world.user)
    few.d[:3900, 0] = 0
    old, new = take(few, slice(0, 3900)), take(few, slice(3900, None))
    assert set(compare([old, new], [old], [new])) == {"price", "shipping"}
    assert compare([], [old]) == {}


@pytest.mark.slow
def test_intervals_of_the_change_hold_the_truth_as_often_as_they_say():
    """200 worlds in which nothing changes: 600 intervals of a growing and of a moving window."""
    hits = []
    for seed in range(200):
        world = make_world(np.random.default_rng(seed), rows=2400)
        parts = [take(world, slice(a, b)) for a, b in ((0, 300), (300, 2100), (2100, 2400))]
        for row in compare(parts, parts[:2], parts[2:]).values():
            hits.append(row["ci_low"] <= 0 <= row["ci_high"])
        for row in compare(parts[1:], parts[:2], parts[2:], parts[:1]).values():
            hits.append(row["ci_low"] <= 0 <= row["ci_high"])
    assert 0.93 <= np.mean(hits) <= 0.985  # t quantiles on few new mentions lean to the wide side


def test_an_effect_that_really_jumped_is_found():
    world = make_world(np.random.default_rng(7))
    jumped = World(world.x, world.d, world.y.copy(), world.user)
    jumped.y[3600:] += 3 * jumped.d[3600:, 0]
    old, new = take(jumped, slice(0, 3600)), take(jumped, slice(3600, None))
    rows = compare([old, new], [old], [new])
    told = {row["attribute"]: row for row in add_change_q_values(list(rows.values()))}
    assert told["sound"]["q_value"] < 0.01
    assert told["sound"]["ci_low"] > 0.1
    assert told["price"]["q_value"] > 0.05
