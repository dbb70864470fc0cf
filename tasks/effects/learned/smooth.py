"""Bends of the controls that the best predictions smooth away, for averages to be adjusted by.

Learners that predict best are too smooth to adjust by: what they leave of a confounder is left in the
outcome and in the treatment alike, and the estimate leans towards the naive one. What cures it is a
fit of few columns that is hardly penalised, for its errors are noise, and noise of the two does not
go together (Newey & Robins 2018, "Cross-fitting and fast remainder rates for semiparametric
estimation"). The columns here are cosines of the ranks of a control, the j-th divided by j, of which
any bend can be made (a ridge on them is a smoothing spline in ranks), and products of two controls.
Taken are those that the treatment or the outcome follow beyond the control basis: others confound by
next to nothing (Belloni, Chernozhukov & Hansen 2014, "Inference on treatment effects after selection
among high-dimensional controls").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.controls.columns import SMALL_ROWS
from tasks.effects.moments import IntArray

Mask = NDArray[np.bool_]

BASIS_SCALE: Final = 0.5
"""Of the control basis beside waves, whose first are of deviation 1 and the others smaller."""
_WAVES: Final = 8
_CODES: Final = 20
"""Numbers of so few values may be codes: as many waves as tell each value from the others."""
_CODE_ROWS: Final = 20
"""Rows for each of them; values of fewer rows are not told apart."""
_MOST_WAVES: Final = 160
"""Of all controls together; tables of many controls get fewer of each, two at least."""
_PAIRED: Final = (25, 60)
"""Up to so many controls are paired by value and two waves each, then by value; those beyond are not
paired."""
_DEEP: Final = 2
_MOST_PRODUCTS: Final = 30
_TEST_ROWS: Final = 20_000
_LEVEL: Final = 0.1
"""Of the tests of one control's waves, and of those of all products together."""
_VARIANCE: Final = 3.0
"""Variance of all columns together: at a penalty of one, thrice that of the noise is what the models
may have missed, which is next to no penalty. A fifth or five times as much changes little."""
_SHARE: Final = 0.1
"""Degrees of freedom for each row: more would cost more in noise than they save in bias."""
HOLD: Final = 0.05
"""Rows with a smaller chance of an arm have next to no like in it, and less is said of them."""
_LONELY: Final = 0.05
_REACH: Final = 4.0
"""Marks of few rows are held within four deviations: no product is a matter of some rows alone."""
_LEAST: Final = 1e-3
_MOST_LEVERAGE: Final = 0.95
_HALVINGS: Final = 30


@dataclass(frozen=True, eq=False)
class Bends:
    """What may be bent or multiplied of the controls.

    `waves`: (n, w) of each control of more than two values, 8 at most and 19 of one of few values;
    `lines` (n, l): the same controls' own values, standardised and cut at four deviations; `marks`
    (n, m): the other controls, standardised.
    """

    waves: tuple[FloatArray, ...]
    lines: FloatArray
    marks: FloatArray


@dataclass(frozen=True, eq=False)
class _Left:
    """What the basis leaves in r rows: `sides` (r, t), and `axes` (r, k) of the basis."""

    axes: FloatArray
    sides: FloatArray

    def of(self, columns: FloatArray) -> FloatArray:
        """What the basis leaves of `columns` (r, c)."""
        left: FloatArray = columns - self.axes @ (self.axes.T @ columns)
        return left


def make_bends(features: FloatArray) -> Bends:
    """Waves and marks of `features` (n, f), which may hold NaN: those rows have 0."""
    values = [len(np.unique(column[np.isfinite(column)])) for column in features.T]
    several = [at for at, count in enumerate(values) if count > 2]
    most = max(2, min(_WAVES, _MOST_WAVES // max(len(several), 1)))
    allowed = len(features) // _CODE_ROWS
    few = max(most, min(_CODES, allowed, 2 * _MOST_WAVES // max(len(several), 1)) - 1)
    marks = [_mark(features[:, at]) for at, count in enumerate(values) if count == 2]
    return Bends(
        waves=tuple(
            _bend_ranks(features[:, at], few if values[at] <= _CODES else most) for at in several
        ),
        lines=_put_together([_mark(features[:, at]) for at in several], len(features)),
        marks=_put_together(marks, len(features)),
    )


def choose_bends(
    bends: Bends, basis: FloatArray, outcome: FloatArray, treated: FloatArray, rows: Mask
) -> tuple[FloatArray, FloatArray]:
    """Waves (n, w) and products (n, v) that treatment or outcome follow in `rows`, a mask (n,).

    `treated` is (n,), or (n, d) of several treatments. None where the `basis` (n, p) leaves less than half of the rows to see it by.
    """
    n, chosen = len(basis), np.flatnonzero(rows)
    chosen = chosen[:: max(1, -(-len(chosen) // _TEST_ROWS))]
    left = _leave_basis(basis[chosen], outcome[chosen], treated[chosen])
    if left is None:
        return np.zeros((n, 0)), np.zeros((n, 0))
    waves = [wave for wave in bends.waves if _is_followed(left.of(wave[chosen]), left)]
    return _put_together(waves, n), _choose_products(bends, chosen, left)


def bend_controls(
    features: FloatArray, basis: FloatArray, outcome: FloatArray, treatment: FloatArray | IntArray
) -> FloatArray:
    """The bends (n, w) of `features` (n, f) that treatment or outcome follow beyond the `basis`.

    `treatment` is (n,), or (n, d) of several.
    """
    every = np.ones(len(outcome), dtype=np.bool_)
    treated = treatment.astype(np.float64)
    return np.column_stack(choose_bends(make_bends(features), basis, outcome, treated, every))


def widen_controls(
    features: FloatArray, basis: FloatArray, outcome: FloatArray, treatment: FloatArray | IntArray
) -> FloatArray:
    """The `basis` (n, p) with its bends besides, shape (n, p + w): see `bend_controls`.

    The control basis bends little; tables too small for bends of their own keep it as it is.
    """
    if len(basis) < SMALL_ROWS or not features.shape[1]:
        return basis
    return np.column_stack([basis, bend_controls(features, basis, outcome, treatment)])


def widen_basis(basis: FloatArray, bends: FloatArray) -> FloatArray:
    """Columns (n, q) to adjust averages by: a constant, the `basis` (n, p) and `bends` (n, w)."""
    columns = np.column_stack([BASIS_SCALE * basis, bends])
    columns = columns - columns.mean(axis=0)
    total = float(columns.var(axis=0).sum())
    scale = np.sqrt(_VARIANCE / total) if total > 0 else 0.0
    return np.column_stack([np.ones(len(basis)), scale * columns])


def mend_predictions(
    columns: FloatArray, predicted: FloatArray, outcome: FloatArray, arm: Mask, chance: FloatArray
) -> FloatArray:
    """`predicted` (n,) outcomes of one arm, with what a ridge on `columns` (n, q) says they lack.

    The ridge learns from what `predicted` leaves of the arm's outcomes, and says of each row of the
    arm what it would say without that row. `chance` (n,) is that of being in the arm: a ridge that
    is hardly penalised is not to be trusted where the arm has no rows.
    """
    own, left = columns[arm], (outcome - predicted)[arm]
    inner = own.T @ own
    inner[np.diag_indices_from(inner)] += limit_penalty(own)
    inverse = np.linalg.inv(inner)
    lacking = columns @ (inverse @ (own.T @ left))
    leverage = np.minimum(((own @ inverse) * own).sum(axis=1), _MOST_LEVERAGE)
    lacking[arm] = left - (left - lacking[arm]) / (1 - leverage)
    mended: FloatArray = predicted + measure_likeness(chance) * lacking
    return mended


def is_overlapping(propensity: FloatArray) -> bool:
    """Whether nearly all rows have like in both arms, by their `propensity` (n,)."""
    lonely = np.minimum(propensity, 1 - propensity) < HOLD
    return bool(lonely.mean() <= _LONELY)


def measure_likeness(chance: FloatArray) -> FloatArray:
    """How far rows have like in an arm, shape (n,) in [0, 1], by their `chance` (n,) to be in it."""
    likeness: FloatArray = np.minimum(1.0, chance / HOLD)
    return likeness


def limit_penalty(columns: FloatArray, *, share: float = _SHARE) -> float:
    """The least penalty from 1 on with which a ridge on `columns` (m, q) has no more freedom.

    That is, at most `share` m degrees of it.
    """
    sizes = np.maximum(np.linalg.eigvalsh(columns.T @ columns), 0.0)
    allowed = share * len(columns)

    def is_free(penalty: float) -> bool:
        return float((sizes / (sizes + penalty)).sum()) > allowed

    if not is_free(1.0):
        return 1.0
    low, high = 1.0, 4.0
    while is_free(high):
        low, high = high, 4 * high
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if is_free(middle) else (low, middle)
    return high


def _bend_ranks(column: FloatArray, most: int) -> FloatArray:
    from scipy.stats import rankdata

    is_there = np.isfinite(column)
    seen = column[is_there]
    rank = (rankdata(seen) - 0.5) / len(seen)
    order = np.arange(1, min(most, len(np.unique(seen)) - 1) + 1)
    bent = np.sqrt(2) * np.cos(np.pi * np.outer(rank, order)) / order
    waves = np.zeros((len(column), len(order)))
    waves[is_there] = bent - bent.mean(axis=0)
    return waves


def _mark(column: FloatArray) -> FloatArray:
    is_there = np.isfinite(column)
    seen = column[is_there]
    mark = np.where(is_there, (column - seen.mean()) / seen.std(), 0.0)
    return np.clip(mark, -_REACH, _REACH)


def _leave_basis(basis: FloatArray, outcome: FloatArray, treated: FloatArray) -> _Left | None:
    plain = np.column_stack([np.ones(len(basis)), basis])
    axes, sizes, _ = np.linalg.svd(plain, full_matrices=False)
    axes = axes[:, sizes > _LEAST * sizes[0]]
    if 2 * axes.shape[1] >= len(plain):
        return None
    treated = treated.reshape(len(treated), -1)
    moved = treated - axes @ (axes.T @ treated)
    left = outcome - axes @ (axes.T @ outcome)
    left = left - moved @ np.linalg.lstsq(moved, left, rcond=_LEAST)[0]
    return _Left(axes, np.column_stack([moved, left]))


def _is_followed(wave: FloatArray, left: _Left) -> bool:
    """Whether treatment or outcome follow a `wave` (r, w): Wald tests, whatever their variance is."""
    from scipy.stats import chi2

    axes, sizes, _ = np.linalg.svd(wave, full_matrices=False)
    axes = axes[:, sizes > _LEAST * np.sqrt(len(wave))]
    if not axes.shape[1]:
        return False
    found = []
    for side in left.sides.T:
        along, spread = axes.T @ side, axes * side[:, None]
        inverse = np.linalg.pinv(spread.T @ spread, hermitian=True)
        found.append(float(along @ inverse @ along))
    return bool(chi2.sf(max(found), axes.shape[1]) < _LEVEL)


def _choose_products(bends: Bends, rows: NDArray[np.int64], left: _Left) -> FloatArray:
    """Products (n, v) of two controls that treatment or outcome follow most, at most 30."""
    from scipy.stats import chi2

    best, strengths, tested = [np.zeros((len(bends.marks), 0))], [np.zeros(0)], 0
    for block in _multiply(bends):
        strength = _measure_products(block[rows], left)
        tested += len(strength)
        first = np.argsort(-strength, kind="stable")[:_MOST_PRODUCTS]
        best.append(block[:, first])
        strengths.append(strength[first])
    strength = np.concatenate(strengths)
    chosen = np.argsort(-strength, kind="stable")[:_MOST_PRODUCTS]
    enough = float(chi2.isf(_LEVEL / max(tested, 1), 1))
    products: FloatArray = np.column_stack(best)[:, chosen[strength[chosen] > enough]]
    return products


def _measure_products(products: FloatArray, left: _Left) -> FloatArray:
    """The largest squared t value of a side on each of (r, c), shape (c,)."""
    seen = left.of(products)
    squares = seen**2
    found = [(seen.T @ side) ** 2 / np.maximum(squares.T @ side**2, 1e-12) for side in left.sides.T]
    strongest: FloatArray = np.max(found, axis=0)
    return strongest


def _multiply(bends: Bends) -> Iterator[FloatArray]:
    """Products of each control with those after it, (n, c) at a time, of mean 0."""
    count = len(bends.waves) + bends.marks.shape[1]
    deep = _DEEP if count <= _PAIRED[0] else 0
    parts = [
        np.column_stack([line, wave[:, :deep]])
        for line, wave in zip(bends.lines.T, bends.waves, strict=True)
    ]
    parts += [mark[:, None] for mark in bends.marks.T]
    parts = parts[: _PAIRED[1]]
    for at, part in enumerate(parts[:-1]):
        others = np.column_stack(parts[at + 1 :])
        products = (part[:, :, None] * others[:, None, :]).reshape(len(part), -1)
        products = products - products.mean(axis=0)
        yield products[:, products.std(axis=0) > _LEAST]


def _put_together(parts: Sequence[FloatArray], rows: int) -> FloatArray:
    return np.column_stack(parts) if parts else np.zeros((rows, 0))
