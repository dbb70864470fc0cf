"""Position effects of published exposures: the examination curve of a known world comes back."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from tasks.effects.estimate import Window
from tasks.effects.exposures import estimate_positions, pick_random, thin_users
from tasks.effects.judge import judge_effects

WINDOW = Window("shop", "28d", date(2024, 1, 1), date(2024, 1, 28))
EXAMINATION = np.array([1.0, 0.7, 0.4])
"""Chance that a position is looked at; a click takes the item's appeal as well."""


def make_exposures(rng, n=12_000):
    """A third drawn at random, the rest with the more appealing items on top.

    Among those the naive difference also carries what the items on top have of appeal.
    """
    appeal = np.linspace(0.1, 0.6, 20)
    item = rng.integers(0, 20, n)
    is_random = rng.random(n) < 1 / 3
    chance = np.column_stack([appeal[item], np.full(n, 0.35), 0.7 - appeal[item]])
    chance = np.where(is_random[:, None], 1 / 3, chance / chance.sum(axis=1, keepdims=True))
    position = (chance.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1).clip(0, 2)
    clicked = rng.random(n) < appeal[item] * EXAMINATION[position]
    return pl.DataFrame(
        {
            "user_id": [f"u{u}" for u in rng.integers(0, 2000, n)],
            "item_id": [f"i{i}" for i in item],
            "policy": np.where(is_random, "uniform", "greedy"),
            "position": position + 1,
            "propensity": np.where(is_random, 1 / 20, 0.02 + 0.1 * rng.random(n)),
            "is_clicked": clicked.astype(int),
        }
    )


def test_the_examination_curve_is_found_in_the_random_slice():
    rows = estimate_positions(
        make_exposures(np.random.default_rng(1), n=72_000), window=WINDOW, confidence=0.95
    )
    truth = 0.35 * (EXAMINATION - 1)
    assert [row["attribute"] for row in rows] == ["position 2", "position 3"]
    for row, value in zip(rows, truth[1:], strict=True):
        assert abs(row["estimate"] - value) < 3 * row["std_error"]
        assert row["verdict"] == "credible"
        assert row["contrast"] == "against position 1"


def test_the_random_slice_is_picked_and_without_one_all_are_used():
    exposures = make_exposures(np.random.default_rng(2), n=72_000)
    assert pick_random(exposures)["policy"].unique().to_list() == ["uniform"]
    greedy = exposures.filter(pl.col("policy") == "greedy")
    assert pick_random(greedy).height == greedy.height
    unknown = exposures.with_columns(propensity=pl.lit(None, dtype=pl.Float64))
    assert pick_random(unknown).height == exposures.height


def test_of_two_random_policies_with_as_many_exposures_always_the_same_is_picked():
    parts = [
        pl.DataFrame({"policy": [name] * 20_000, "propensity": [chance] * 20_000})
        for name, chance in (("first", 0.1), ("second", 0.2))
    ]
    for _ in range(20):
        for order in (parts, parts[::-1]):
            assert pick_random(pl.concat(order))["policy"].unique().to_list() == ["second"]


def test_exposures_without_positions_give_no_rows():
    exposures = make_exposures(np.random.default_rng(3), n=3000)
    gone = exposures.with_columns(position=pl.lit(None, dtype=pl.Int64))
    assert estimate_positions(gone, window=WINDOW, confidence=0.95) == []
    same = exposures.with_columns(position=pl.lit(1))
    assert estimate_positions(same, window=WINDOW, confidence=0.95) == []
    assert estimate_positions(exposures.head(0), window=WINDOW, confidence=0.95) == []


def test_thinning_keeps_users_whole():
    exposures = make_exposures(np.random.default_rng(4))
    kept = thin_users(exposures, 4000)
    assert 3000 < kept.height < 5000
    whole = exposures.filter(pl.col("user_id").is_in(kept["user_id"].unique().to_list()))
    assert whole.height == kept.height


def test_position_rows_are_judged_beside_the_other_effects():
    rows = estimate_positions(
        make_exposures(np.random.default_rng(5)), window=WINDOW, confidence=0.95
    )
    judged = judge_effects(rows, [])
    assert all(row["q_value"] == pytest.approx(row["q_value"]) for row in judged)
    assert judged[1]["q_value"] < 0.01
