"""Numbers that name things are told from amounts."""

import numpy as np
import polars as pl
import pytest

from tests.effects.confounded import answer_by, ask, says


def draw_items(seed: int, *, items: int, rows: int) -> pl.DataFrame:
    """Items have numbers in no order; how liked one is moves treatment and outcome."""
    rng = np.random.default_rng(seed)
    item = rng.integers(0, items, rows)
    number = 1000 + 17 * rng.permutation(items)
    return answer_by(rng, 1.2 * rng.normal(size=items)[item], item=number[item])


@pytest.mark.parametrize(("items", "rows"), [(40, 1200), (500, 1100)])
def test_numbers_of_items_are_no_amount_and_are_told_from_one(items: int, rows: int):
    answer = ask(draw_items(1, items=items, rows=rows), ["item"])
    assert answer["verdict"] == "weak"
    assert says(answer, "control item is a number whose ")
    assert says(answer, "give it as text (item7 for 7)")


def test_numbers_of_items_that_move_the_outcome_alone_are_no_fault():
    rng = np.random.default_rng(2)
    frame = draw_items(2, items=40, rows=1200)
    frame = frame.with_columns(d=pl.Series(rng.integers(0, 2, 1200)))
    assert not says(ask(frame, ["item"]), "look like codes")


SHAPES = {
    "line": lambda u: 3 * u,
    "step": lambda u: 2.0 * (u > 0.6),
    "bend": lambda u: 12 * (u - 0.5) ** 2,
    "wave": lambda u: 1.5 * np.sin(13 * u),
    "spike": lambda u: u + 2 * (np.abs(u - np.median(u)) < 1e-9),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["age", "price", "year", "count"])
def test_amounts_are_not_called_codes_however_they_bend(kind: str, shape: str):
    rng = np.random.default_rng([len(kind), len(shape)])
    values = {
        "age": lambda: np.clip(rng.normal(40, 14, 1500), 18, 90).round(),
        "price": lambda: 100 * rng.integers(1, 60, 1500) - 1.0,
        "year": lambda: rng.integers(1985, 2025, 1500).astype(float),
        "count": lambda: rng.negative_binomial(2, 0.1, 1500).astype(float),
    }[kind]()
    moves = SHAPES[shape]((values - values.min()) / np.ptp(values))
    answer = ask(answer_by(rng, moves - moves.mean(), v=values), ["v"])
    assert not says(answer, "look like codes")
    assert not says(answer, "read as missing")
    assert not says(answer, "equal another row")


def test_users_of_one_age_who_come_often_make_no_codes():
    rng = np.random.default_rng(5)
    age, liking = rng.integers(20, 60, 100), rng.normal(size=100)
    user = np.repeat(np.arange(100), 40)
    frame = answer_by(rng, liking[user], age=age[user], user=user)
    assert not says(ask(frame, ["age"], cluster="user"), "look like codes")
