"""Propensities that pass every check of the weights and are wrong for every row are noticed."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.ope import evaluate_policy
from tasks.effects.ope_log import find_columns, read_log
from tasks.effects.ope_propensities import check_propensities, guess_by_share

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


def test_right_propensities_are_seldom_doubted() -> None:
    assert sum(bool(check(draw(seed, rows=600))) for seed in range(60)) <= 1


def test_without_the_context_an_average_cannot_be_told() -> None:
    assert check(draw(1, kind="average"), context=()) == []
    assert check(draw(1, kind="even"), context=()) != []


def test_counted_propensities_are_not_held_against_themselves() -> None:
    frame = draw(1)
    columns = find_columns(frame, propensity="estimate", context=["x"])
    assert check_propensities(read_log(frame, columns)) == []


def test_a_share_is_counted_in_the_other_folds() -> None:
    frame = draw(2, rows=200)
    log = read_log(frame, find_columns(frame, context=["x"]))
    found = guess_by_share(log)
    others = log.action[log.fold != log.fold[0]]
    counts = np.bincount(others, minlength=K)
    pooled = (counts + 1) / (counts.sum() + K)
    wanted = (counts + pooled) / (counts.sum() + 1)
    assert found[0] == pytest.approx(wanted[log.action[0]])
