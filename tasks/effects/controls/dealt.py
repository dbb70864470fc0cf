"""Treatments that were dealt to groups of rows, such as all of a user's, where rows count one by one.

Intervals have to count what chance dealt the treatment to (Abadie, Athey, Imbens & Wooldridge 2023,
"When should you adjust standard errors for clustering?"): a user's rows share the treatment and, as
a rule, whatever else moves the user's outcomes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray
from tasks.effects.intervals import effective_size
from tasks.effects.moments import IntArray, factorise

_GROUPS: Final = 20.0
"""Equal groups that a column must be worth: of fewer nothing can be said."""
_ROWS_PER_GROUP: Final = 1.5
_SAME: Final = 0.9
"""Share of the treatment's variance among rows that have like in their group which lies between groups."""
_TOO_NARROW: Final = 1.1
_CHANCE_P: Final = 1e-4


@dataclass(frozen=True, eq=False)
class _Found:
    """Groups by one column: how much wider their errors are than those of rows, and how many there are."""

    name: str
    factor: float
    groups: int


def find_dealt(
    frame: pl.DataFrame,
    names: Sequence[str],
    *,
    treatment: FloatArray,
    outcome: FloatArray,
    known: FloatArray,
    controls: Sequence[str],
) -> str:
    """Which of the columns `names` of `frame` tells groups that were treated alike, empty where none does.

    Said only where it matters: rows of a group leave outcomes that go together, given the controls
    `known` (n, p), so that an interval by rows is too narrow beyond chance. `treatment` and `outcome`
    (n,) are numbers. Among columns that say the same those that are no `controls` come first: a user's
    age tells users as well, if not so plainly.
    """
    if known.shape[1] + 3 > len(outcome) / 2:
        return ""
    pull = _measure_pull(treatment, outcome, known)
    ordered = [*(n for n in names if n not in controls), *(n for n in names if n in controls)]
    best: _Found | None = None
    for name in ordered:
        found = _compare(frame[name], treatment, pull, tries=len(ordered))
        if found is not None and (best is None or found.factor > 1.01 * best.factor):
            best = found
    if best is None:
        return ""
    what = f"name what tells such rows by --cluster (as {best.name} does)"
    if best.name not in controls:
        what = f"name it by --cluster {best.name}"
    return (
        f"rows of the same {best.name} ({best.groups:,} of them) were treated alike and go together in "
        f"outcome: intervals that count rows one by one are about {best.factor:.1f} times too narrow; {what}"
    )


def _measure_pull(treatment: FloatArray, outcome: FloatArray, known: FloatArray) -> FloatArray:
    """What each row pulls at the slope of outcome on treatment given `known`, up to a scale, (n,)."""
    base = np.column_stack([np.ones(len(outcome)), known])
    sides = np.column_stack([treatment, outcome])
    inverse = np.linalg.pinv(base.T @ base, rcond=1e-10, hermitian=True)
    moved, left = (sides - base @ (inverse @ (base.T @ sides))).T
    size = float(moved @ moved)
    if size <= 0:
        return np.zeros(len(outcome))
    pull: FloatArray = moved * (left - float(moved @ left) / size * moved)
    return pull


def _compare(
    column: pl.Series, treatment: FloatArray, pull: FloatArray, *, tries: int
) -> _Found | None:
    """Groups by `column`, where they were treated alike and pull together; rows without value stand alone."""
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        return None
    if not _GROUPS <= column.n_unique() <= len(column) / _ROWS_PER_GROUP:
        return None
    codes = code_groups(column)
    sizes = np.bincount(codes)
    if effective_size(sizes.astype(np.float64)) < _GROUPS or not _is_alike(treatment, codes, sizes):
        return None
    factor = measure_widening(codes, pull, tries=tries)
    if factor is None:
        return None
    groups = int((sizes > 0).sum()) - column.null_count()
    return _Found(column.name, factor, groups)


def code_groups(column: pl.Series) -> IntArray:
    """The group of each row by its value, shape (n,); a row without one is a group of its own."""
    codes, groups = factorise(column)
    alone = np.flatnonzero(column.is_null().to_numpy())
    codes[alone] = len(groups) + np.arange(len(alone))
    return codes


def measure_widening(codes: IntArray, pull: FloatArray, *, tries: int) -> float | None:
    """How many times wider errors are that count groups instead of rows; None where chance may tell it.

    `codes` (n,) name the group of each row, `pull` (n,) is what the row moves an estimate by, and
    `tries` how many groupings were looked at.
    """
    from scipy.special import ndtri

    squares = np.bincount(codes, pull**2)
    total = float(squares.sum())
    together = float((np.bincount(codes, pull) ** 2).sum())
    chance = 2 * float((squares**2 - np.bincount(codes, pull**4)).sum())
    if total <= 0 or together <= _TOO_NARROW**2 * total:
        return None
    if together - total <= ndtri(1 - _CHANCE_P / tries) * np.sqrt(chance):
        return None
    return float(np.sqrt(together / total))


def _is_alike(treatment: FloatArray, codes: IntArray, sizes: IntArray) -> bool:
    """Whether next to nothing of what the treatment varies is within groups of two rows and more."""
    has_like = sizes[codes] > 1
    d, own = treatment[has_like], codes[has_like]
    if len(d) < len(treatment) / 2 or not np.ptp(d) > 0:
        return False
    means = np.bincount(own, d, minlength=len(sizes)) / np.maximum(sizes, 1)
    within = float(((d - means[own]) ** 2).sum())
    return within <= (1 - _SAME) * float(((d - d.mean()) ** 2).sum())
