"""Whole numbers that are names: controls whose values say nothing of their neighbours.

A number such as an age moves treatment and outcome along a curve, with a step or a spike here and
there: rows of one value are like those of the next. An item's number is not: each value has a mean
of its own, which no line or bend follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray, read_numbers
from tasks.effects.moments import IntArray

_LEAST_VALUES: Final = 20
_ROWS: Final = 20_000
_FLIPS: Final = 200
_ORDERS: Final = 50
_CHANCE: Final = 4.5
"""Deviations from chance by which means of both treatment and outcome must differ,"""
_ROUGH_CHANCE: Final = 2.5
"""and must differ from their neighbours."""
_ROUGH: Final = 0.35
"""Roughness over neighbours as a share of what values in any other order have."""
_SPIKES: Final = 0.1
"""Share of the values that may stand out of a number, as round ones do."""


def read_whole(frame: pl.DataFrame, controls: Sequence[str]) -> dict[str, FloatArray]:
    """Controls of whole numbers, of at least 20 values and two rows a value, NaN where missing."""
    whole = {}
    for name in controls:
        if not frame.schema[name].is_numeric():
            continue
        values = read_numbers(frame[name])
        seen = values[~np.isnan(values)]
        count = len(np.unique(seen))
        if (seen == np.round(seen)).all() and _LEAST_VALUES <= count <= len(seen) / 2:
            whole[name] = values
    return whole


def find_codes(
    whole: Mapping[str, FloatArray],
    known: FloatArray,
    treatment: FloatArray,
    outcome: FloatArray,
    cluster: IntArray,
    *,
    what: str = "treatment",
) -> list[str]:
    """Which of the controls `whole` (n,) look like codes that confound, and what to do, in words.

    `known` (n, p) are all controls as lines and bends; `what` the treatment is called. Treatment and outcome (net of the treatment)
    must both have means by value that these leave and that neighbours do not share.
    """
    n, p = known.shape
    rows = np.random.default_rng(0).permutation(n)[:_ROWS]
    if not whole or p > len(rows) / 3:
        return []
    base = np.column_stack([np.ones(len(rows)), known[rows]])
    sides = np.column_stack([treatment[rows], outcome[rows]])
    gram = np.linalg.pinv(base.T @ base, rcond=1e-10, hermitian=True)
    d, y = (sides - base @ (gram @ (base.T @ sides))).T
    return [
        f"control {name} is a number whose {len(np.unique(values[~np.isnan(values)])):,} values look like "
        f"codes: {what} and outcome have means by value that follow no line or bend, and are not "
        "adjusted for them; if it names things, give it as text (item7 for 7), or what is known of them"
        for name, values in whole.items()
        if _is_code(values[rows], d, y, cluster[rows])
    ]


def _is_code(values: FloatArray, d: FloatArray, y: FloatArray, cluster: IntArray) -> bool:
    distinct, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    is_used = (counts >= 2)[codes] & ~np.isnan(values)
    if is_used.sum() < 2:
        return False
    distinct, codes, counts = np.unique(values[is_used], return_inverse=True, return_counts=True)
    if len(distinct) < _LEAST_VALUES:
        return False
    d, y, cluster = d[is_used], y[is_used], cluster[is_used]
    groups = _Groups(codes.astype(np.int64), counts.astype(np.float64))
    within = d - groups.average(d)[codes]
    size = float(within @ within)
    slope = float(within @ y) / size if size > 1e-9 * (d @ d) else 0.0
    return _is_rough(groups, d, cluster) and _is_rough(groups, y - slope * d, cluster)


@dataclass(frozen=True, eq=False)
class _Groups:
    """Rows by value in ascending order: code (n,) of each row, rows (G,) of each value."""

    code: IntArray
    rows: FloatArray

    def average(self, values: FloatArray) -> FloatArray:
        """Means by value, shape (G,)."""
        means: FloatArray = np.bincount(self.code, values, len(self.rows)) / self.rows
        return means


def _is_rough(groups: _Groups, left: FloatArray, cluster: IntArray) -> bool:
    """Whether means by value of `left` (n,) differ beyond chance, and from neighbours as from any.

    Chance turns the signs of rows' deviations from their means, or of whole clusters.
    """
    rng = np.random.default_rng(0)
    means = groups.average(left)
    is_alone = len(np.unique(cluster)) == len(cluster)
    noise = left
    if is_alone:
        noise = (left - means[groups.code]) * np.sqrt(groups.rows / (groups.rows - 1))[groups.code]
    heads = int(cluster.max()) + 1
    turned = [
        groups.average(noise * rng.choice([-1.0, 1.0], heads)[cluster]) for _ in range(_FLIPS)
    ]
    size = np.array([groups.rows @ one**2 for one in turned])
    if groups.rows @ means**2 <= size.mean() + _CHANCE * size.std():
        return False
    found = _measure_roughness(means, groups.rows)
    chance = np.array([_measure_roughness(one, groups.rows) for one in turned])
    if found <= chance.mean() + _ROUGH_CHANCE * chance.std():
        return False
    orders = [rng.permutation(len(means)) for _ in range(_ORDERS)]
    mixed = np.mean([_measure_roughness(means[at], groups.rows[at]) for at in orders])
    return bool(found - chance.mean() > _ROUGH * (mixed - chance.mean()))


def _measure_roughness(means: FloatArray, rows: FloatArray) -> float:
    """How far means lie from their neighbours, in squared errors, without the largest tenth.

    Of the value before, the one after and the mean of both the nearest counts: steps, bends and
    slopes are no roughness.
    """
    noise = 1 / rows
    before = (means[1:-1] - means[:-2]) ** 2 / (noise[1:-1] + noise[:-2])
    after = (means[1:-1] - means[2:]) ** 2 / (noise[1:-1] + noise[2:])
    middle = (means[1:-1] - (means[:-2] + means[2:]) / 2) ** 2
    middle /= noise[1:-1] + (noise[:-2] + noise[2:]) / 4
    nearest = np.sort(np.minimum(np.minimum(before, after), middle))
    kept = len(nearest) - max(int(_SPIKES * len(nearest)), 2)
    return float(nearest[:kept].sum())
