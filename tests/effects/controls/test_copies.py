"""Rows that are there more than once are told from those that repeat by chance."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.controls.copies import find_copies
from tests.effects.confounded import answer_by, ask, says


def draw_copied(seed: int, *, times: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, 400))
    frame = answer_by(rng, 0.5 * x, x=x, z=z, user=np.arange(400))
    return pl.concat([frame] * times)


def test_rows_that_are_there_three_times_make_an_answer_weak():
    answer = ask(draw_copied(0, times=3), ["x", "z"])
    assert answer["verdict"] == "weak"
    assert says(answer, "1,200 of 1,200 rows (100%) equal another row")
    assert says(answer, "drop them, or name by --cluster what is there more than once")
    assert says(
        ask(draw_copied(0, times=3), ["x"], is_experiment=True, estimators=["lin"]), "equal another"
    )


def test_copies_within_a_cluster_are_counted_together_and_no_fault():
    copied = draw_copied(0, times=3)
    assert not says(ask(copied, ["x", "z"], cluster="user"), "equal another row")
    apart = copied.with_columns(user=pl.int_range(pl.len()))
    assert says(ask(apart, ["x", "z"], cluster="user"), "equal another row")


@pytest.mark.parametrize("seed", range(8))
def test_coarse_rows_that_repeat_by_chance_are_not_accused(seed: int):
    rng = np.random.default_rng(seed)
    x, z = rng.integers(0, 4, (2, 2000))
    moves = 0.7 * (x + z) - 2.0 + 0.3 * x * z * (seed % 2)
    frame = answer_by(rng, moves, x=x, z=z).with_columns(pl.col("y").round())
    answer = ask(frame, ["x", "z"])
    assert frame.is_duplicated().mean() > 0.5  # type: ignore[operator]
    assert not says(answer, "equal another row")


def test_outcomes_on_a_grid_of_each_level_s_own_are_not_accused():
    row = np.arange(400)
    price, is_promoted = row * 7 % 11, row * 13 % 17 > 8
    outcome = is_promoted + 0.2 * price + (row * 5 % 13) / 13
    frame = pl.DataFrame({"y": outcome, "d": is_promoted.astype(int), "price": price})
    answer = ask(frame, ["price"])
    assert frame.is_duplicated().mean() > 0.3  # type: ignore[operator]
    assert answer["verdict"] == "credible", answer["reasons"]


def find(frame: pl.DataFrame) -> str:
    names = [name for name in frame.columns if name != "y"]
    return find_copies(
        frame, names, outcome=frame["y"].to_numpy().astype(float), known=frame.select(names).to_numpy(),
        cluster=np.arange(frame.height),
    )  # fmt: skip


def draw_clicks(seed: int, *, rows: int, rate: float, values: int | None) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows) if values is None else rng.integers(0, values, rows).astype(float)
    odds = np.log(rate / (1 - rate)) + 0.5 * (x - x.mean())
    is_clicked = rng.random(rows) < 1 / (1 + np.exp(-odds))
    return pl.DataFrame({"y": is_clicked.astype(int), "d": rng.integers(0, 2, rows), "x": x})


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
def test_outcomes_of_two_values_that_are_there_twice_are_copies(rate: float):
    once = draw_clicks(1, rows=800, rate=rate, values=None)
    assert find(pl.concat([once] * 2)).startswith("1,600 of 1,600 rows (100%)")
    assert find(pl.concat([once, once[:200]])) or rate in (0.05, 0.9), (
        "few of these differ by chance"
    )
    assert not find(once)


def test_a_large_table_is_judged_by_some_of_its_groups(monkeypatch: pytest.MonkeyPatch):
    once = draw_clicks(1, rows=800, rate=0.3, values=None)
    coarse = draw_clicks(1, rows=1600, rate=0.3, values=60)
    whole = find(pl.concat([once] * 2))
    monkeypatch.setattr("tasks.effects.controls.copies._ROWS", 600)
    part = find(pl.concat([once] * 2))
    assert part.split(";")[0] == whole.split(";")[0]
    by_chance = [
        int(said.split("about ")[1].split(":")[0].replace(",", "")) for said in (whole, part)
    ]
    assert by_chance[1] == pytest.approx(by_chance[0], rel=0.1)
    assert not find(coarse)


@pytest.mark.parametrize("values", [4, 60, 600])
@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9])
def test_outcomes_of_two_values_that_meet_by_chance_are_not_accused(rate: float, values: int):
    for seed in range(5):
        assert not find(draw_clicks(seed, rows=1600, rate=rate, values=values))


@pytest.mark.parametrize("items", [400, 1000])
def test_ratings_of_items_that_are_liked_alike_are_not_accused(items: int):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        item, price = rng.integers(0, items, 1500), rng.gamma(3, 10, items)
        liking = 3.8 + 1.5 * rng.normal(size=items)[item]
        stars = np.clip(np.round(liking + 0.6 * rng.normal(size=1500)), 1, 5)
        frame = pl.DataFrame({"y": stars, "d": rng.integers(0, 2, 1500), "price": price[item]})
        assert not find(frame)


def test_an_outcome_that_follows_from_what_rows_share_is_no_copy():
    rng = np.random.default_rng(0)
    x, z, d = rng.integers(0, 4, 1600), rng.integers(0, 4, 1600), rng.integers(0, 2, 1600)
    assert not find(pl.DataFrame({"y": (x + z + d > 4).astype(int), "d": d, "x": x, "z": z}))
