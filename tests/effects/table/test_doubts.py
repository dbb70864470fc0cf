"""What makes an answer weak that looks fine: curves, holes in controls, and what a sample says."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.effects.table import estimate as table
from tasks.effects.table import sample as sample_check
from tasks.effects.table.estimate import estimate_table
from tasks.effects.table.sample import draw_rows


def ask(frame: pl.DataFrame, controls: list[str], **how: Any) -> dict[str, Any]:
    return estimate_table(frame, outcome="y", treatment="d", controls=controls, **how)


def says(answer: dict[str, Any], text: str) -> bool:
    return any(text in reason for reason in answer["reasons"])


def draw_dose(seed: int, *, curve: float, rows: int = 1500) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    d = np.exp(0.5 * x + 0.5 * rng.normal(size=rows))
    y = d - curve * d**2 + 0.7 * x + rng.normal(size=rows) * (1 + 0.3 * d)
    return pl.DataFrame({"x": x, "d": d, "y": y})


def test_a_dose_whose_effect_bends_is_weak_and_says_where() -> None:
    answer = ask(draw_dose(0, curve=0.15), ["x"], estimators=["plr"])
    assert answer["verdict"] == "weak"
    assert says(answer, "in a curve: a unit more goes with +")
    assert says(answer, "the slope of a straight line per unit")


def test_a_straight_dose_is_not_called_bent() -> None:
    bent = [
        says(ask(draw_dose(seed, curve=0.0), ["x"], estimators=["diff"]), "in a curve")
        for seed in range(20)
    ]
    assert sum(bent) <= 1


def draw_hole(seed: int, *, share: float, confounding: float) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=1500)
    d = (rng.random(1500) < 1 / (1 + np.exp(-confounding * x))).astype(int)
    y = 0.5 * d + x + rng.normal(size=1500)
    gone = rng.random(1500) < share
    return pl.DataFrame(
        {"x": pl.Series([None if g else v for g, v in zip(gone, x, strict=True)]), "d": d, "y": y}
    )


@pytest.mark.parametrize(
    ("share", "confounding", "is_weak"),
    [(0.08, 1.2, True), (0.05, 1.2, True), (0.005, 1.2, False), (0.08, 0.1, False)],
)
def test_a_hole_in_a_control_counts_by_what_it_may_leave_in(
    share: float, confounding: float, is_weak: bool
) -> None:
    frame = draw_hole(1, share=share, confounding=confounding)
    answer = ask(frame, ["x"], estimators=["plr"], is_checked=False)
    assert says(answer, "may move the estimate by") == is_weak
    assert answer["verdict"] == ("weak" if is_weak else "credible")


def draw_codes(seed: int, *, rows: int, is_code: bool) -> pl.DataFrame:
    """A control that is a number by name only, or one that is; no whole ones, which tell it already."""
    rng = np.random.default_rng(seed)
    group, size = rng.integers(0, 40, rows), rng.normal(size=40)
    moves = size[group] if is_code else (group - 20) / 12
    d = (rng.random(rows) < 1 / (1 + np.exp(-1.2 * moves))).astype(int)
    y = 0.5 * d + moves + rng.normal(size=rows)
    return pl.DataFrame({"group": group / 8 + 1000, "d": d, "y": y})


@pytest.mark.parametrize("is_code", [True, False])
@pytest.mark.slow
def test_a_large_table_is_judged_by_a_flexible_sample_too(
    is_code: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "LARGE_ROWS", 2500)
    monkeypatch.setattr(sample_check, "SAMPLE_ROWS", 1200)
    answer = ask(draw_codes(4, rows=3000, is_code=is_code), ["group"])
    assert {row["estimator"] for row in answer["estimates"]} == {"plr", "diff"}
    assert says(answer, "rows drawn at random disagrees with plr") == is_code
    assert says(answer, "rows drawn at random agrees") != is_code
    assert answer["verdict"] == ("weak" if is_code else "credible")


def test_a_sample_takes_whole_clusters() -> None:
    user = np.repeat(np.arange(300), 7)
    rows = draw_rows(pl.DataFrame({"user": user}), "user", size=504, seed=0)
    assert len(rows) == 504
    assert set(np.bincount(user[rows])) <= {0, 7}
    assert len(draw_rows(pl.DataFrame({"user": user}), None, size=500, seed=0)) == 500


def test_a_sample_is_no_larger_than_asked_and_knows_its_clusters() -> None:
    shops = pl.DataFrame({"shop": [None] * 400 + ["a"] * 300 + ["b"] * 300})
    rows = draw_rows(shops, "shop", size=100, seed=0)
    assert len(rows) == 100
    assert rows.min() >= 400
    assert len(draw_rows(shops[:10], "shop", size=100, seed=0)) == 0


def test_a_sample_with_a_thin_arm_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "LARGE_ROWS", 2500)
    monkeypatch.setattr(sample_check, "SAMPLE_ROWS", 1200)
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=3000), "y": rng.normal(size=3000)})
    frame = frame.with_columns(d=(pl.int_range(pl.len()) % 300 == 0).cast(pl.Int64))
    assert not says(ask(frame, ["x"]), "drawn at random")


def draw_seldom(seed: int, *, share: float, rows: int) -> pl.DataFrame:
    """Rows of which about `share` are treated, more of them the more these gain by it."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    chance = 1 / (1 + np.exp(-(np.log(share / (1 - share)) + x[:, 0] - 0.5 * x[:, 1])))
    d = (rng.random(rows) < chance).astype(int)
    y = (0.5 + 0.3 * x[:, 0]) * d + x[:, 0] + 0.5 * x[:, 2] + rng.normal(size=rows)
    return pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "d": d, "y": y})


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.4])
def test_too_few_treated_rows_cannot_tell_an_average_from_one_effect(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "LARGE_ROWS", 7500)
    monkeypatch.setattr(sample_check, "SAMPLE_ROWS", 2500)
    answer = ask(draw_seldom(2, share=share, rows=8000), ["a", "b", "c"])
    plr = answer["estimates"][0]
    half = (plr["ci_high"] - plr["ci_low"]) / 2
    is_seldom = share < 0.1
    assert (plr["average_reach"] > half) == is_seldom
    assert says(answer, "rows cannot tell") == is_seldom
    if is_seldom:
        assert plr["ci_low"] > 0.5, "the interval misses the average"
        assert answer["verdict"] == "weak"


def test_an_empty_control_hides_no_hole_of_another() -> None:
    frame = draw_hole(1, share=0.08, confounding=1.2).with_columns(z=pl.lit(None, pl.Float64))
    assert says(ask(frame, ["z", "x"], estimators=["plr"]), "control x is missing in")


def draw_together(seed: int, *, rows: int, is_together: bool = True) -> pl.DataFrame:
    """A dose and an outcome that follow the product of two controls, or only their sum."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, rows))
    moves = 1.5 * np.sign(x) * np.sign(z) if is_together else x + z
    d = moves + rng.normal(size=rows)
    y = 0.5 * d + moves + rng.normal(size=rows)
    return pl.DataFrame({"x": x, "z": z, "d": d, "y": y})


@pytest.mark.slow
def test_a_dose_is_asked_of_learners_which_see_what_controls_do_together() -> None:
    answer = ask(draw_together(0, rows=800), ["x", "z"])
    by_name = {row["estimator"]: row for row in answer["estimates"]}
    assert list(by_name) == ["plr", "dml", "diff"]
    assert answer["headline"] == "dml"
    assert by_name["dml"]["ci_low"] < 0.5 < by_name["dml"]["ci_high"]
    assert by_name["plr"]["ci_low"] > 0.5
    assert by_name["diff"]["estimate"] > 0.9


@pytest.mark.parametrize("is_together", [True, False])
@pytest.mark.slow
def test_a_line_asked_alone_is_held_against_learners(is_together: bool) -> None:
    answer = ask(
        draw_together(0, rows=800, is_together=is_together), ["x", "z"], estimators=["plr"]
    )
    assert says(answer, "dml on the same rows moves plr to") == is_together
    assert says(answer, "dml on the same rows agrees") != is_together
    assert answer["verdict"] == ("weak" if is_together else "credible")


def test_codes_of_few_values_are_told_apart_even_by_a_line() -> None:
    rng = np.random.default_rng(5)
    group, size = rng.integers(0, 15, 2000), 1.5 * rng.normal(size=15)
    d = size[group] + rng.normal(size=2000)
    y = 0.5 * d + size[group] + rng.normal(size=2000)
    frame = pl.DataFrame({"group": group, "d": d, "y": y})
    plr = ask(frame, ["group"], estimators=["plr", "diff"], is_checked=False)["estimates"][0]
    assert plr["ci_low"] < 0.5 < plr["ci_high"]


@pytest.mark.parametrize(("noise", "is_weak"), [(0.02, True), (0.5, False)])
def test_a_control_that_is_all_but_the_outcome_is_told(noise: float, is_weak: bool) -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=800)
    d = (rng.random(800) < 1 / (1 + np.exp(-0.5 * x))).astype(int)
    y = d + x + rng.normal(size=800)
    frame = pl.DataFrame({"x": x, "d": d, "y": y, "later": 3 * y + noise * rng.normal(size=800)})
    for how in ({"estimators": ["plr"], "is_checked": False}, {"is_experiment": True}):
        answer = ask(frame, ["x", "later"], **how)
        assert says(answer, "control later all but repeats the outcome (") == is_weak
        if is_weak:
            assert answer["verdict"] != "credible"
            assert abs(answer["estimates"][0]["estimate"]) < 0.1
        assert not says(ask(frame, ["x"], **how), "all but repeats")


@pytest.mark.parametrize("side", ["y", "d"])
def test_an_answer_that_hangs_on_one_row_names_it(side: str) -> None:
    rng = np.random.default_rng(0)
    d = rng.normal(size=1500) if side == "d" else rng.integers(0, 2, 1500).astype(float)
    frame = pl.DataFrame({"x": rng.normal(size=1500), "d": d, "y": d + rng.standard_t(3, 1500)})
    how = {"estimators": ["plr"], "is_checked": False}
    assert not says(ask(frame, ["x"], **how), "of the table holds")
    far = frame.with_row_index().with_columns(
        pl.when(pl.col("index") == 41).then(1e9).otherwise(side).alias(side)
    )
    answer = ask(far, ["x"], **how)
    assert answer["verdict"] != "credible"
    said = "outcome" if side == "y" else "treatment"
    assert says(answer, f"row 42 of the table holds 100% of all that the {said} varies")


def draw_rare(seed: int, *, treated: float, bought: float, effect: float = 0.0) -> pl.DataFrame:
    """2,000 rows of which the share `treated` are treated and `bought` buy; x moves both."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=2000)
    d = (rng.random(2000) < treated * np.exp(0.3 * x)).astype(int)
    y = (rng.random(2000) < bought * np.exp(0.3 * x) + effect * d).astype(int)
    return pl.DataFrame({"x": x, "d": d, "y": y})


def test_a_rare_treatment_of_a_rare_outcome_is_weak_where_it_cannot_be_told() -> None:
    how = {"estimators": ["plr"], "is_checked": False}
    answers = [ask(draw_rare(seed, treated=0.03, bought=0.02), ["x"], **how) for seed in range(20)]
    found = [one for one in answers if one["estimates"][0]["ci_high"] < 0]
    assert len(found) >= 4, "of no effect that many intervals are below zero: that is what is told"
    for one in answers:
        assert one["verdict"] == "weak"
        assert says(one, "the upper end of its interval tends to lie too low")


@pytest.mark.parametrize(
    ("treated", "bought", "effect"), [(0.5, 0.02, 0.0), (0.03, 0.4, 0.3), (0.2, 0.2, 0.3)]
)
def test_a_rare_treatment_or_a_rare_outcome_alone_is_not_accused(
    treated: float, bought: float, effect: float
) -> None:
    for seed in range(5):
        frame = draw_rare(seed, treated=treated, bought=bought, effect=effect)
        answer = ask(frame, ["x"], estimators=["plr"], is_checked=False)
        assert not says(answer, "chance moves the estimate further to one side")


def test_a_rare_treatment_of_an_outcome_with_a_long_tail_is_weak() -> None:
    rng = np.random.default_rng(1)
    x, d = rng.normal(size=2000), (rng.random(2000) < 0.03).astype(int)
    frame = pl.DataFrame({"x": x, "d": d, "y": np.exp(0.3 * x + 1.5 * rng.normal(size=2000))})
    for how in ({"estimators": ["plr"], "is_checked": False}, {"is_experiment": True}):
        assert says(ask(frame, ["x"], **how), "chance moves the estimate further to one side")
