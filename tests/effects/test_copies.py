"""Rows that are there more than once are told from those that repeat by chance."""

import numpy as np
import polars as pl
import pytest

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
