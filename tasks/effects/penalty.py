"""The ridge penalty, chosen from Gram matrices alone.

What a linear prediction errs on rows it has not seen is a quadratic form in their Gram matrix, so
cross-validation over a grid of penalties needs no second pass over the data. It is nested: the
penalty that serves outer fold k is chosen on the other folds, each held out once in turn, and fold k
is not looked at (Hastie, Tibshirani & Friedman 2009, The Elements of Statistical Learning, 7.10).
Every target, the outcome and each treatment, has its own.

A fit that leaves out folds j and k serves both of them: K (K - 1) / 2 eigendecompositions of the
controls' covariance, and along the grid of penalties only products.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray
from tasks.platform.errors import EstimationError

Penalty = float | Literal["auto"]

GRID: Final[tuple[float, ...]] = tuple(10.0 ** (step / 2) for step in range(-4, 15))
"""Half decades from 0.01 to 10 million, in the units of scikit-learn's `Ridge(alpha)`: the first
shrinks nothing to speak of, the last leaves nothing of noise in less than a million rows."""


@dataclass(frozen=True, eq=False)
class _Path:
    """Ridge fits along the grid, about the means of the rows they were fitted on.

    `means` (p + t,) of controls and targets, `axes` (p, p) the principal axes of the controls,
    `coefficients` (p, L, t) along those axes.
    """

    means: FloatArray
    axes: FloatArray
    coefficients: FloatArray


def set_penalties(
    by_fold: FloatArray, controls: IntArray, targets: IntArray, penalty: Penalty
) -> FloatArray:
    """Penalty of each target in each outer fold, shape (K, t): the one given, or chosen."""
    if penalty == "auto":
        return choose_penalties(by_fold, controls, targets)
    return np.full((len(by_fold), len(targets)), float(penalty))


def choose_penalties(
    by_fold: FloatArray, controls: IntArray, targets: IntArray, *, grid: tuple[float, ...] = GRID
) -> FloatArray:
    """The penalty of least held-out error, shape (K, t); of equal ones, the largest."""
    errors = cross_validate(by_fold, controls, targets, grid=grid)
    order = np.argsort(grid)[::-1]
    best = np.argmin(errors[:, order], axis=1)
    chosen: FloatArray = np.asarray(grid)[order][best]
    return chosen


def cross_validate(
    by_fold: FloatArray, controls: IntArray, targets: IntArray, *, grid: tuple[float, ...] = GRID
) -> FloatArray:
    """Sum of squared held-out errors, shape (K, L, t), of L penalties for t targets.

    `by_fold` (K, q, q) holds the Gram matrix of each fold, `controls` begins with the intercept.
    Entry k never uses fold k. Raises EstimationError with fewer than 3 folds, or when two folds
    hold all rows.
    """
    folds = len(by_fold)
    if folds < 3:
        raise EstimationError(
            f"{folds} folds leave none to choose a penalty on; set folds to 3 or more, or a penalty"
        )
    order = np.r_[controls, targets]
    grams = by_fold[:, order[:, None], order[None, :]]
    p = len(controls) - 1
    errors = np.zeros((folds, len(grid), len(targets)))
    for k in range(folds):
        for j in range(k):
            others = np.flatnonzero(~np.isin(np.arange(folds), (j, k)))
            path = _fit_path(grams[others].sum(axis=0), p, np.asarray(grid))
            errors[k] += _held_out_error(path, grams[j], p)
            errors[j] += _held_out_error(path, grams[k], p)
    return errors


def _fit_path(gram: FloatArray, p: int, grid: FloatArray) -> _Path:
    if gram[0, 0] <= 0:
        raise EstimationError(
            "two folds hold all rows, so no penalty can be chosen; more users are needed, or a "
            "penalty by hand"
        )
    means = gram[0, 1:] / gram[0, 0]
    centred = _centre(gram, means)
    values, axes = np.linalg.eigh(centred[:p, :p])
    cross = axes.T @ centred[:p, p:]
    shrunk = np.maximum(values, 0.0)[:, None] + grid
    return _Path(means, axes, cross[:, None, :] / shrunk[:, :, None])


def _held_out_error(path: _Path, gram: FloatArray, p: int) -> FloatArray:
    """Squared errors of every fit of the path over the rows of `gram`, shape (L, t)."""
    centred = _centre(gram, path.means)
    square = path.axes.T @ centred[:p, :p] @ path.axes
    cross = path.axes.T @ centred[:p, p:]
    b = path.coefficients
    spread = (square @ b.reshape(p, b.shape[1] * b.shape[2])).reshape(b.shape)
    explained = np.einsum("plt,plt->lt", b, spread - 2 * cross[:, None, :])
    error: FloatArray = np.diag(centred)[p:] + explained
    return error


def _centre(gram: FloatArray, means: FloatArray) -> FloatArray:
    """Sums of products about `means`, without the intercept's row and column."""
    lean = np.outer(gram[0, 1:] - gram[0, 0] * means / 2, means)
    centred: FloatArray = gram[1:, 1:] - lean - lean.T
    return centred
