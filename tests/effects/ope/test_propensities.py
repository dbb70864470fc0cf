"""Propensities that pass every check of the weights and are wrong for every row are noticed."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.ope.evaluate import evaluate_policy
from tasks.effects.ope.log import find_columns, read_log
from tasks.effects.ope.propensities import check_propensities, guess_by_share

K = 5
TILT = np.array([0.0, 0.0, 0.0, 0.0, 0.6])
"""One action is shown more often than the others whatever x is."""


def draw(seed: int, *, rows: int = 2000, kind: str = "right") -> pl.DataFrame:
    """A log whose policy follows x, with the right chances, their average, or one over K."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    p = np.exp(np.outer(x, np.linspace(-1, 1, K)) + TILT)
    p /= p.sum(axis=1, keepdims=True)
    action = (rng.random((rows, 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
    reward = rng.random(rows) < np.clip(0.2 + 0.05 * (action - 2) * x, 0.02, 0.9)
    own = p[np.arange(rows), action]
    said = {"right": own, "average": p.mean(axis=0)[action], "even": np.full(rows, 1 / K)}[kind]
    return pl.DataFrame(
        {"x": x, "item_id": action, "click": reward.astype(int), "propensity_score": said}
    )


def check(frame: pl.DataFrame, *, context: tuple[str, ...] = ("x",)) -> list:
    return check_propensities(read_log(frame, find_columns(frame, context=context)))


@pytest.mark.parametrize(
    ("kind", "better"), [("average", "a model by x"), ("even", "counted shares of the actions")]
)
def test_chances_that_are_no_rows_own_make_a_value_not_credible(kind: str, better: str) -> None:
    answer = evaluate_policy(draw(1, kind=kind), target="uniform", context=["x"])
    assert answer["verdict"] == "not credible"
    assert any(better in reason for reason in answer["reasons"])


@pytest.mark.slow
def test_right_propensities_are_seldom_doubted() -> None:
    assert sum(bool(check(draw(seed, rows=600))) for seed in range(60)) <= 1


def draw_by(seed: int, kind: str, *, is_right: bool, rows: int = 1500) -> pl.DataFrame:
    """A log whose policy follows a context that no line tells, with the right chances or their average."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, rows))
    item = rng.integers(0, 40, rows)
    liking = rng.normal(size=40)[item]
    moves = {
        "x": np.cos(3 * x), "x and z": np.sign(x) * np.sign(z), "item": liking, "shop": liking,
    }[kind]  # fmt: skip
    p = np.exp(np.outer(moves, np.linspace(-1, 1, 3)))
    p /= p.sum(axis=1, keepdims=True)
    action = (rng.random((rows, 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
    own = p[np.arange(rows), action]
    return pl.DataFrame(
        {
            "x": x, "z": z, "item": (17 * rng.permutation(40))[item], "shop": [f"s{i}" for i in item],
            "item_id": action, "click": (rng.random(rows) < 0.3).astype(int),
            "propensity_score": own if is_right else p.mean(axis=0)[action],
        }
    )  # fmt: skip


CONTEXTS = {"x": ("x",), "x and z": ("x", "z"), "item": ("x", "item"), "shop": ("z", "shop")}


@pytest.mark.parametrize("kind", CONTEXTS)
def test_averages_are_told_where_the_policy_followed_no_line(kind: str) -> None:
    found = [
        check(draw_by(seed, kind, is_right=False), context=CONTEXTS[kind]) for seed in range(4)
    ]
    assert all(len(one) == 1 and one[0][0] == "not credible" for one in found)


@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.slow
def test_right_propensities_that_follow_no_line_are_seldom_doubted(kind: str) -> None:
    context = ("x", "z", "item", "shop")
    found = [check(draw_by(seed, kind, is_right=True), context=context) for seed in range(15)]
    assert not any(found)


def test_a_context_that_is_missing_or_constant_says_nothing() -> None:
    frame = draw(1, rows=400).with_columns(
        none=pl.lit(None, pl.Float64), one=pl.lit(1), most=pl.when(pl.col("x") > 1).then("x"),
        name=pl.concat_str(pl.lit("n"), pl.int_range(pl.len())),
    )  # fmt: skip
    assert check(frame, context=("none", "one", "most", "name")) == []
    assert check(frame, context=("one",)) == []
    learned, counted = (evaluate_unlogged(frame, context, "uniform") for context in (("one",), ()))
    for one, other in zip(learned["estimates"], counted["estimates"], strict=True):
        assert one["estimate"] == pytest.approx(other["estimate"], abs=one["std_error"])


def test_without_the_context_an_average_cannot_be_told() -> None:
    assert check(draw(1, kind="average"), context=()) == []
    assert check(draw(1, kind="even"), context=()) != []


def test_counted_propensities_are_not_held_against_themselves() -> None:
    frame = draw(1)
    columns = find_columns(frame, propensity="estimate", context=["x"])
    assert check_propensities(read_log(frame, columns)) == []


def evaluate_unlogged(frame: pl.DataFrame, context: tuple[str, ...], target: str) -> dict:
    return evaluate_policy(
        frame.drop("propensity_score"), target=target, context=context, propensity="estimate"
    )


def test_propensities_that_were_not_logged_are_learned_from_the_context() -> None:
    """Counted without x they put the value of 0.2 above 0.25."""
    gaps = []
    for seed in range(6):
        frame = draw(seed, rows=3000)
        answer = evaluate_unlogged(frame, ("x",), "always:4")
        ips = next(one for one in answer["estimates"] if one["estimator"] == "ips")
        gaps.append(ips["estimate"] - 0.2)
        assert answer["verdict"] == "weak"
        assert "not logged but learned from x" in answer["reasons"][0]
        assert not any("counted" in reason for reason in answer["reasons"])
    assert abs(np.mean(gaps)) < 0.02
    counted = evaluate_unlogged(draw(0, rows=3000), (), "always:4")
    ips = next(one for one in counted["estimates"] if one["estimator"] == "ips")
    assert ips["estimate"] > 0.25


@pytest.mark.parametrize("kind", ["x", "x and z"])
def test_learned_propensities_that_a_policy_did_not_follow_are_told(kind: str) -> None:
    answer = evaluate_unlogged(
        draw_by(1, kind, is_right=True, rows=3000), CONTEXTS[kind], "uniform"
    )
    assert answer["verdict"] == "not credible"
    assert "the learned propensities do not fit the log" in answer["reasons"][0]


def test_of_many_actions_propensities_stay_counted_and_that_is_said() -> None:
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(
        {"item_id": rng.integers(0, 60, 3000), "click": rng.integers(0, 2, 3000),
         "x": rng.normal(size=3000)}
    )  # fmt: skip
    answer = evaluate_policy(frame, target="uniform", context=["x"], propensity="estimate")
    assert answer["verdict"] == "weak"
    assert "x served the reward model alone" in answer["reasons"][0]


def test_a_share_is_counted_in_the_other_folds() -> None:
    frame = draw(2, rows=200)
    log = read_log(frame, find_columns(frame, context=["x"]))
    found = guess_by_share(log, log.stratum, np.arange(log.n))
    others = log.action[log.fold != log.fold[0]]
    counts = np.bincount(others, minlength=K)
    pooled = (counts + 1) / (counts.sum() + K)
    wanted = (counts + pooled) / (counts.sum() + 1)
    assert found[0] == pytest.approx(wanted[log.action[0]])
