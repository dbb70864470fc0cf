"""What one slope given columns of controls leaves out is found, and where nothing is left out nobody is accused."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.effects.controls.left_over import make_slope, tell_levels_apart
from tasks.effects.table.estimate import estimate_table
from tasks.effects.table.question import Question
from tasks.effects.table.question import ask as build

N = 1500


def draw_levels(seed: int, *, share: float, levels: int, confounds: float) -> pl.DataFrame:
    """True effect 1. A `share` of the rows lies in small levels, which confound more than the 8 others."""
    rng = np.random.default_rng(seed)
    is_small = rng.random(N) < share
    level = np.where(is_small, 8 + rng.integers(0, levels, N), rng.integers(0, 8, N))
    pull = rng.normal(size=8 + levels)[level] * np.where(is_small, confounds, 0.2)
    treated = rng.random(N) < 1 / (1 + np.exp(-2 * pull))
    return pl.DataFrame(
        {
            "y": treated + 3 * pull + rng.normal(size=N),
            "d": treated.astype(int),
            "item": [f"i{each}" for each in level],
        }
    )


def ask(frame: pl.DataFrame, *controls: str, **others: Any) -> dict[str, Any]:
    return estimate_table(
        frame, outcome="y", treatment="d", controls=controls, estimators=["plr", "diff"],
        is_checked=False, **others,
    )  # fmt: skip


def is_said(answer: dict[str, Any], words: str) -> bool:
    return any(words in reason for reason in answer["reasons"])


@pytest.mark.parametrize(("share", "levels"), [(0.09, 30), (1.0, 300)])
def test_small_levels_that_confound_are_found_however_few_rows_they_have(
    share: float, levels: int
) -> None:
    for seed in range(3):
        answer = ask(draw_levels(seed, share=share, levels=levels, confounds=1.0), "item")
        assert answer["estimates"][0]["ci_low"] > 1, "the small levels are not adjusted for"
        assert answer["verdict"] in ("weak", "not credible")
        assert is_said(answer, "told apart, they move plr by -")


@pytest.mark.parametrize(("share", "levels"), [(0.09, 30), (1.0, 300)])
def test_small_levels_that_do_not_confound_are_not_accused(share: float, levels: int) -> None:
    for seed in range(10):
        answer = ask(draw_levels(seed, share=share, levels=levels, confounds=0.0), "item")
        assert not is_said(answer, "these differ")


def test_harmless_levels_move_the_slope_beyond_chance_as_seldom_as_is_said() -> None:
    found = []
    for seed in range(20):
        frame = draw_levels(seed, share=0.5, levels=150, confounds=0.0)
        question = make_question(frame)
        ((_, codes),) = question.shared
        move = tell_levels_apart(make_slope(question), codes)
        assert move is not None
        found.append(move.is_real)
    assert sum(found) <= 2, "1 in 200 by chance"


def make_question(frame: pl.DataFrame) -> Question:
    return build(
        frame, outcome="y", treatment="d", controls=["item"], cluster=None, folds=5, max_levels=20
    )


def test_levels_of_single_rows_cannot_be_told_apart_and_say_nothing() -> None:
    frame = draw_levels(0, share=0.0, levels=1, confounds=0.0).with_columns(
        item=pl.int_range(N).cast(pl.String)
    )
    assert not is_said(ask(frame, "item"), "told apart")


def draw_doses(seed: int, slope: float) -> pl.DataFrame:
    """Doses vary most where `kind` is 1 and their slope is 1; elsewhere it is `slope`."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, N)
    few = rng.choice([1.0, 2.0, 3.0], N, p=[0.1, 0.8, 0.1])
    dose = np.where(kind == 1, rng.choice([0.0, 2.0, 4.0], N), few)
    outcome = np.where(kind == 1, 1.0, slope) * dose + kind + rng.normal(size=N)
    return pl.DataFrame({"y": outcome, "d": dose, "kind": kind, "x": rng.normal(size=N)})


def test_a_slope_that_differs_by_a_control_is_not_taken_for_the_average() -> None:
    answer = ask(draw_doses(0, slope=-1.0), "kind", "x")
    assert answer["estimates"][0]["ci_low"] > 0.5, "it counts the rows whose doses vary"
    assert answer["verdict"] == "weak"
    (said,) = (reason for reason in answer["reasons"] if "slope differs" in reason)
    average = float(said.split("about ")[1].split(",")[0])
    assert average == pytest.approx(0, abs=0.15)


def test_one_slope_for_all_is_credible() -> None:
    for seed in range(10):
        answer = ask(draw_doses(seed, slope=1.0), "kind", "x")
        assert answer["verdict"] == "credible", answer["reasons"]


def test_a_control_that_is_missing_is_told_beside_a_text_too() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=N)
    treated = rng.random(N) < 1 / (1 + np.exp(-2 * a))
    seen = np.where(rng.random(N) < 0.09, np.nan, a)
    frame = pl.DataFrame(
        {"y": treated + 3 * a + rng.normal(size=N), "d": treated.astype(int), "a": seen}
    ).with_columns(a=pl.col("a").fill_nan(None), text=pl.lit("so it is"))
    vectors = {"text": rng.normal(size=(N, 8))}
    for others in ({}, {"vectors": vectors}):
        answer = ask(frame, "a", **others)
        assert is_said(answer, "control a is missing in")
        assert is_said(answer, "this may move the estimate by")


def draw_items(seed: int, *, confounds: float) -> pl.DataFrame:
    """True effect 1. Of 500 items in 6,000 rows 200 have a column each; the others hold a third of the rows."""
    rng = np.random.default_rng(seed)
    item = np.where(
        rng.random(6000) < 0.65, rng.integers(0, 200, 6000), rng.integers(200, 500, 6000)
    )
    pull = rng.normal(size=500)[item] * np.where(item < 200, 0.5, confounds)
    treated = rng.random(6000) < 1 / (1 + np.exp(-pull))
    return pl.DataFrame(
        {
            "y": treated + pull + rng.normal(size=6000),
            "d": treated.astype(int),
            "item": [f"i{each}" for each in item],
        }
    )


def test_many_rows_in_small_levels_are_no_fault_where_these_do_not_confound() -> None:
    for seed in range(4):
        answer = ask(draw_items(seed, confounds=0.0), "item")
        assert answer["verdict"] == "credible", answer["reasons"]
        assert is_said(answer, "share one column; told apart, they change little (plr: ")


def test_many_rows_in_small_levels_speak_against_it_where_these_confound() -> None:
    for seed in range(4):
        answer = ask(draw_items(seed, confounds=0.5), "item")
        assert answer["verdict"] in ("weak", "not credible")
        assert is_said(answer, "share one column, and these differ: told apart, they move plr by -")


def test_levels_that_are_mostly_single_rows_leave_it_weak() -> None:
    frame = draw_items(0, confounds=0.0)
    single = frame.with_columns(
        item=pl.when(pl.int_range(pl.len()) % 3 == 0)
        .then(pl.concat_str(pl.lit("only"), pl.int_range(pl.len())))
        .otherwise("item")
    )
    answer = ask(single, "item")
    assert answer["verdict"] == "weak"
    assert is_said(answer, "share one column; group them")
