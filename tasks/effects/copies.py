"""Rows that are there more than once, where chance does not make them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray

MUCH: Final = 0.05
"""Share of the rows from which on copies speak against an answer."""
_TIMES: Final = 2.0
"""So many times as many as outcomes of like rows make by chance."""
_BLOCK: Final = 50
_DEALS: Final = 3
_FIT_ROWS: Final = 10
_LEAST_NOISE: Final = 0.15
_KEY: Final = "whyrec:key"
_CLUSTER: Final = "whyrec:cluster"


def find_copies(
    frame: pl.DataFrame,
    names: Sequence[str],
    *,
    outcome: FloatArray,
    known: FloatArray,
    cluster: IntArray,
) -> str:
    """What speaks against an answer because rows equal others, empty where nothing does.

    `names` are the columns of `frame` other than the outcome that rows must share, `known` (n, p)
    the same as numbers, the treatment first, `outcome` and `cluster` (n,). Copies within one cluster are no fault: its
    rows are counted together. Coarse data repeat by chance; as often as their outcomes do among rows
    of which about the same is expected.
    """
    keys = number_alike(frame.select(names)).to_numpy()
    found = _count(keys, outcome, cluster)
    n = len(outcome)
    if found <= MUCH * n or _is_function(keys, outcome):
        return ""
    order = _sort_by_fit(outcome, known)
    rng = np.random.default_rng(0)
    chance = np.mean(
        [_count(keys, _deal(outcome, order, rng), cluster) for _ in range(_DEALS)], dtype=float
    )
    if found < _TIMES * chance:
        return ""
    return (
        f"{found:,} of {n:,} rows ({found / n:.0%}) equal another row in outcome, treatment and all "
        f"controls; chance would make about {chance:,.0f}: copies count as if they were news, so that "
        "intervals are too narrow; drop them, or name by --cluster what is there more than once"
    )


def number_alike(frame: pl.DataFrame) -> pl.Series:
    """The place of the first row that each row equals in all columns, shape (n,)."""
    first = pl.col(_KEY).min().over(frame.columns).cast(pl.Int64)
    return frame.with_row_index(_KEY).select(first).to_series()


def _count(keys: IntArray, outcome: FloatArray, cluster: IntArray) -> int:
    """Rows that equal a row of another cluster, where rows alike but for the outcome all do.

    Where like rows differ in outcome as well, outcomes on a grid meet by chance.
    """
    rows = pl.DataFrame({_KEY: keys, "y": outcome, _CLUSTER: cluster})
    many = pl.col(_CLUSTER).n_unique().over(_KEY, "y") > 1
    is_same = pl.col("y").n_unique().over(_KEY) == 1
    return int(rows.select((many & is_same).sum()).item())


def _is_function(keys: IntArray, outcome: FloatArray) -> bool:
    """Whether like rows that differ in outcome differ by next to nothing: coarse noise repeats."""
    rows = pl.DataFrame({_KEY: keys, "y": outcome}).filter(pl.col("y").n_unique().over(_KEY) > 1)
    if rows.is_empty():
        return False
    within = rows.select((pl.col("y") - pl.col("y").mean().over(_KEY)).std()).item()
    return bool(within < _LEAST_NOISE * outcome.std())


def _sort_by_fit(outcome: FloatArray, known: FloatArray) -> IntArray:
    """Rows in the order of what is expected of them, by lines, squares and products, shape (n,).

    The products are those with the first column of `known`, the treatment.
    """
    base = np.column_stack([np.ones(len(outcome)), known])
    if 3 * known.shape[1] < len(outcome) / _FIT_ROWS:
        base = np.column_stack([base, known**2, known[:, :1] * known[:, 1:]])
    gram = base.T @ base
    fit = base @ (np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ (base.T @ outcome))
    order: IntArray = np.argsort(fit, kind="stable")
    return order


def _deal(outcome: FloatArray, order: IntArray, rng: np.random.Generator) -> FloatArray:
    """Outcomes dealt anew among rows that stand near one another in `order`."""
    block = np.arange(len(order)) // _BLOCK
    mixed = np.lexsort((rng.random(len(order)), block))
    dealt = np.empty_like(outcome)
    dealt[order] = outcome[order[mixed]]
    return dealt
