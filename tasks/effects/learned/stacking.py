"""Weights of a stack: which learners to believe, and how much, judged by rows they did not see.

Short-stacking (Ahrens, Hansen, Schaffer & Wiemann 2025, "Model averaging and double machine
learning"): weights are non-negative, sum to one, and are fitted once on the out-of-fold predictions
of all rows, so that they cost next to nothing and hardly overfit.
"""

import numpy as np

from tasks.effects.basis import FloatArray

_SUM_TO_ONE = 1e3
"""How much heavier the row that holds the sum at one weighs than the data."""
_FLOOR = 1e-6
_ROUNDS = 300
_NORMAL_ROWS = 2_000


def stack_squares(predictions: FloatArray, outcome: FloatArray) -> FloatArray:
    """Convex weights (k,) that minimise the squared error of `predictions` (n, k) @ weights.

    All equal when there are no rows or nothing varies.
    """
    from scipy.optimize import nnls

    k = predictions.shape[1]
    size = float(np.linalg.norm(predictions))
    if k == 1 or len(outcome) == 0 or size == 0.0:
        return np.full(k, 1.0 / k)
    heavy = _SUM_TO_ONE * size / np.sqrt(k)
    design, target = predictions, outcome
    if len(outcome) > _NORMAL_ROWS:
        # the same least squares from k + 1 rows: R of the QR decomposition
        design, target = _shorten(predictions, outcome)
    rows = np.vstack([design, np.full(k, heavy)])
    weights, _ = nnls(rows, np.append(target, heavy))
    total = float(weights.sum())
    shares: FloatArray = weights / total if total > 0 else np.full(k, 1.0 / k)
    return shares


def stack_chances(chances: FloatArray, is_event: FloatArray) -> FloatArray:
    """Convex weights (k,) that minimise the log loss of `chances` (n, k) @ weights.

    The likelihood of a mixture with fixed components, by expectation maximisation (Dempster, Laird
    & Rubin 1977), which never leaves the simplex.
    """
    k = chances.shape[1]
    likelihood = np.where(is_event[:, None] == 1, chances, 1 - chances)
    likelihood = np.clip(likelihood, _FLOOR, 1.0)
    weights = np.full(k, 1.0 / k)
    for _ in range(_ROUNDS):
        mixed = likelihood @ weights
        weights = weights * (likelihood / mixed[:, None]).mean(axis=0)
    shares: FloatArray = weights / weights.sum()
    return shares


def _shorten(design: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    triangle = np.asarray(np.linalg.qr(np.column_stack([design, target]), mode="r"))
    return triangle[:, :-1], triangle[:, -1]
