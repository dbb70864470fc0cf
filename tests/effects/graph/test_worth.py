"""Rows in clusters count, test by test, for what they are worth."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.graph.worth import RowWorth
from tests.effects.graph.test_discover import find

USERS, EACH = 200, 20
LEVEL = 0.02
"""Of the pairs of independent columns at alpha 0.01, with room for the chance of 200 pairs."""


def make_levels(seed: int, *, by_user: int = 3, by_row: int = 5) -> pl.DataFrame:
    """Independent columns: u0.. say something of a user, r0.. of a row."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(USERS), EACH)
    users = {f"u{i}": rng.normal(size=USERS)[user] for i in range(by_user)}
    rows = {f"r{i}": rng.normal(size=USERS * EACH) for i in range(by_row)}
    return pl.DataFrame({"user": user, **users, **rows})


def centre(frame: pl.DataFrame, *names: str) -> np.ndarray:
    values = frame.select(names).to_numpy()
    return values - values.mean(axis=0)


def test_columns_of_a_user_are_worth_the_users_and_columns_of_rows_the_rows():
    frame = make_levels(0)
    worth = RowWorth(centre(frame, "u0", "u1", "r0", "r1"), frame["user"].to_numpy())
    assert worth.count([0], [1]) == pytest.approx(USERS, rel=1e-6)
    assert worth.count([2], [3]) == pytest.approx(USERS * EACH, rel=0.15)
    assert worth.count_pairs([(0, 1), (2,), (3,)]).shape == (3,)


def test_what_is_held_fixed_may_take_the_likeness_of_a_clusters_rows_away():
    rng = np.random.default_rng(1)
    user = np.repeat(np.arange(USERS), EACH)
    taste = rng.normal(size=USERS)[user]
    left, right = (2 * taste + rng.normal(size=len(user)) for _ in range(2))
    scores = np.stack([taste, left, right], axis=1)
    worth = RowWorth(scores - scores.mean(axis=0), user)
    assert worth.count([1], [2]) < 2 * USERS
    assert worth.count([1], [2], [0]) > 0.8 * len(user)


def test_independent_columns_of_users_are_no_more_often_joined_than_their_test_allows():
    """Counted by the median of all pairs, most of them of rows, over half of these pairs were joined."""
    joined = sum(
        {edge.source[0], edge.target[0]} == {"u"}
        for seed in range(12)
        for edge in find(make_levels(seed, by_user=6, by_row=10), cluster="user").edges
    )
    assert joined <= LEVEL * 12 * 15


def test_ges_counts_rows_as_those_columns_that_are_worth_least():
    graph = find(make_levels(2), cluster="user", method="ges")
    assert not [edge for edge in graph.edges if edge.source[0] == edge.target[0] == "u"]
    assert any("4,000 rows counted as 200" in note for note in graph.notes)
