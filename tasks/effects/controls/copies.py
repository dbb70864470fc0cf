"""Rows that are there more than once, where chance does not make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray

MUCH: Final = 0.05
"""Share of the rows from which on copies speak against an answer."""
_AGREE: Final = 0.9
"""Of the disagreement among like rows that chance would make, so much is not there."""
_LEAST_APART: Final = 20
"""So many like rows would differ by chance; of fewer nothing is said,"""
_LEAST_SHARE: Final = 0.2
"""nor where so few of them would: what they share decides the outcome nearly."""
_ROWS: Final = 50_000
"""Of larger tables as many groups of like rows are drawn as have about so many rows."""
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
    what: str = "outcome, treatment and all controls",
) -> str:
    """What speaks against an answer because rows equal others, empty where nothing does.

    `names` are the columns of `frame` other than the outcome that rows must share, `known` (n, p)
    the same as numbers, the treatment first, `outcome` and `cluster` (n,); `what` they are in words. Copies within one cluster are
    no fault: its rows are counted together. Coarse data repeat by chance, but like rows then differ in
    outcome as others do of which about the same is expected. Of outcomes that are mostly one value,
    such as no click, like rows are counted where another value is among them.
    """
    keys = number_alike(frame.select(names)).to_numpy()
    found = _count(keys, outcome, cluster)
    n = len(outcome)
    if found.same <= MUCH * n or _is_function(keys, outcome):
        return ""
    rows = _draw_groups(keys)
    keys, outcome, known, cluster = keys[rows], outcome[rows], known[rows], cluster[rows]
    part = _count(keys, outcome, cluster)
    order = _sort_by_fit(outcome, known)
    rng = np.random.default_rng(0)
    dealt = [_count(keys, _deal(outcome, order, rng), cluster) for _ in range(_DEALS)]
    apart = sum(one.apart for one in dealt) / max(sum(one.telling for one in dealt), 1)
    if apart < _LEAST_SHARE or part.telling * apart < _LEAST_APART:
        return ""
    if part.apart > (1 - _AGREE) * apart * part.telling:
        return ""
    chance = np.mean([one.same for one in dealt], dtype=float) * n / len(rows)
    return (
        f"{found.same:,} of {n:,} rows ({found.same / n:.0%}) equal another row in {what}; chance would "
        f"make about {chance:,.0f}: copies count as if they were news, so that "
        "intervals are too narrow; drop them, or name by --cluster what is there more than once"
    )


def _draw_groups(keys: IntArray) -> IntArray:
    """Rows (m,) of as many of the keys, drawn at random, as a large table needs; all rows of each."""
    distinct, codes = np.unique(keys, return_inverse=True)
    place = np.random.default_rng(0).permutation(len(distinct))
    is_drawn = place < _ROWS / len(keys) * len(distinct)
    return np.flatnonzero(is_drawn[codes])


def number_alike(frame: pl.DataFrame) -> pl.Series:
    """The place of the first row that each row equals in all columns, shape (n,)."""
    first = pl.col(_KEY).min().over(frame.columns).cast(pl.Int64)
    return frame.with_row_index(_KEY).select(first).to_series()


@dataclass(frozen=True)
class _Counts:
    """Rows that have like in other clusters and the `same` outcome as all of these.

    `telling` are the rows with like in other clusters where some outcome is not the most frequent one,
    `apart` the sum over them of the share of like rows whose outcome is another.
    """

    same: int
    telling: int
    apart: float


def _count(keys: IntArray, outcome: FloatArray, cluster: IntArray) -> _Counts:
    """Where like rows differ in outcome as well, outcomes on a grid meet by chance."""
    values, counts = np.unique(outcome, return_counts=True)
    is_rare = outcome != values[counts.argmax()]
    rows = pl.DataFrame({_KEY: keys, "y": outcome, _CLUSTER: cluster, "rare": is_rare})
    is_many = pl.col(_CLUSTER).n_unique().over(_KEY) > 1
    is_same = pl.col("y").n_unique().over(_KEY) == 1
    is_telling = is_many & pl.col("rare").any().over(_KEY)
    other = (pl.len().over(_KEY) - pl.len().over(_KEY, "y")) / (pl.len().over(_KEY) - 1)
    counted = rows.select(
        same=(is_many & is_same).sum(),
        telling=is_telling.sum(),
        apart=other.filter(is_telling).sum(),
    )
    same, telling, apart = counted.row(0)
    return _Counts(int(same), int(telling), float(apart))


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
