"""Ridge regressions from Gram matrices, fold by fold.

The penalty is that of scikit-learn's `Ridge(alpha)`: it multiplies the squared coefficients beside
the *sum* of squared errors, on the columns as they stand in Z; the control basis scales controls to
unit deviation. The intercept is not penalised.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray
from tasks.platform.errors import EstimationError


def locate(columns: Sequence[str], names: Sequence[str]) -> IntArray:
    """Positions of `names` among `columns`; raises EstimationError for one that is not there."""
    position = {name: i for i, name in enumerate(columns)}
    absent = [name for name in names if name not in position]
    if absent:
        raise EstimationError(f"columns {absent} are not in the moments; compute moments with them")
    return np.array([position[name] for name in names], dtype=np.int64)


def take_out(base: FloatArray, columns: FloatArray) -> FloatArray:
    """What least squares on `base` (n, p) leaves of `columns` (n, m)."""
    left: FloatArray = columns - base @ np.linalg.lstsq(base, columns, rcond=None)[0]
    return left


def centre_within(columns: FloatArray, place: IntArray) -> FloatArray:
    """`columns` (n, m) less their means over the rows of one `place` (n,)."""
    sums = np.stack([np.bincount(place, column) for column in columns.T], axis=1)
    centred: FloatArray = columns - (sums / np.maximum(np.bincount(place), 1)[:, None])[place]
    return centred


def sum_by_fold(grams: FloatArray, fold: IntArray, folds: int) -> FloatArray:
    """Gram matrix of each fold, shape (K, q, q)."""
    return np.stack([grams[fold == k].sum(axis=0) for k in range(folds)])


def fit_projections(
    by_fold: FloatArray, controls: IntArray, targets: IntArray, penalties: FloatArray
) -> FloatArray:
    """Maps A of shape (K, q, t): Z @ A[k] are the residuals of the targets in fold k.

    `controls` begins with the intercept, `penalties` (K, t) is each target's in each fold. Each fold's ridge is fitted on the sum of the other folds'
    Gram matrices (added, not subtracted from the total: no cancellation).
    """
    folds, q, _ = by_fold.shape
    maps = np.zeros((folds, q, len(targets)))
    maps[:, targets, np.arange(len(targets))] = 1.0
    for k in range(folds):
        others = by_fold[np.arange(folds) != k].sum(axis=0)
        if others[0, 0] <= 0:
            raise EstimationError(
                f"all {by_fold[:, 0, 0].sum():.0f} rows lie in one fold, so nothing is left to fit "
                "on; more users are needed"
            )
        for penalty in np.unique(penalties[k]):
            mine = np.flatnonzero(penalties[k] == penalty)
            solution = solve_ridge(others, controls, targets[mine], float(penalty))
            maps[k][np.ix_(controls, mine)] -= solution
    return maps


def solve_ridge(
    gram: FloatArray, controls: IntArray, targets: IntArray, penalty: float
) -> FloatArray:
    """Ridge coefficients, shape (1 + p, t); the first control is the intercept, unpenalised."""
    from scipy.linalg import LinAlgError
    from scipy.linalg.lapack import dpotrf, dpotrs

    square = gram[np.ix_(controls, controls)].copy()
    square[np.arange(1, len(controls)), np.arange(1, len(controls))] += penalty
    scale = np.sqrt(np.diag(square))
    try:
        if not (scale > 0).all():
            raise LinAlgError("a control is zero in all rows")
        factor, failed_at = dpotrf(square / np.outer(scale, scale), lower=True)
        if failed_at or np.diag(factor).min() < 1e-7:
            raise LinAlgError("controls are collinear")
    except LinAlgError as error:
        raise EstimationError(
            f"the nuisance regression has no single solution ({error}) with penalty {penalty:g}; "
            "set a penalty above 0 or drop controls"
        ) from error
    cross = gram[np.ix_(controls, targets)]
    scaled, _ = dpotrs(factor, cross / scale[:, None], lower=True)
    solution: FloatArray = scaled / scale[:, None]
    return solution


def fit_ridge_arm(
    design: FloatArray,
    outcome: FloatArray,
    rows: NDArray[np.bool_],
    *,
    target: FloatArray,
    penalty: float,
) -> tuple[FloatArray, FloatArray]:
    """Ridge of `outcome` (n,) on `design` (n, p), whose first column is ones, fitted on `rows`.

    Returns predictions (n,) for all rows, and what one unit of each row's error would move the
    prediction at `target` (p,) by, shape (n,), if it were among those fitted.
    """
    x = design[rows]
    both = np.column_stack([x, outcome[rows], np.zeros(len(x))])
    gram = both.T @ both
    width = design.shape[1]
    # the last column's cross products are the target: its "coefficients" are inv(X'X) target
    gram[:width, -1] = target
    solution = solve_ridge(gram, np.arange(width), np.arange(width, width + 2), penalty)
    fitted = design @ solution
    return fitted[:, 0], fitted[:, 1]
