"""One bent line through all columns: outcomes that follow a curve of a weighted sum.

E[y | x] = f(x' b), where f is a natural cubic spline and b any direction: exponential, logistic and
other link functions are of this kind, and trees and kernels need many rows to find one. Fitted by
Gauss and Newton's steps on b, each followed by a fit of f (one term of projection pursuit: Friedman
& Stuetzle 1981; Haerdle, Hall & Ichimura 1993, "Optimal smoothing in single-index models"). Both
steps are ridges whose penalty leave-one-out errors choose.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray

_ROUNDS: Final = 8
_KNOTS: Final = (0.02, 0.15, 0.35, 0.5, 0.65, 0.85, 0.98)
_STEP_PENALTIES: Final = np.logspace(-1, 5, 13)
_CURVE_PENALTIES: Final = np.logspace(-4, 3, 15)
_HALVINGS: Final = 3
_ROUNDING: Final = 1e-9
_GAIN: Final = 1e-3
"""A round that lowers the squared error by a smaller share is the last."""


@dataclass(frozen=True, eq=False)
class Curve:
    """f: `knots` (k,) of the index, `intercept` and `weights` (k - 1,) of its spline columns."""

    knots: FloatArray
    intercept: float
    weights: FloatArray

    def at(self, index: FloatArray) -> FloatArray:
        """Heights of the curve at each of (n,), shape (n,)."""
        height: FloatArray = self.intercept + bend(index, self.knots) @ self.weights
        return height

    def slope(self, index: FloatArray) -> FloatArray:
        """Slopes of the curve at each of (n,), shape (n,), by central differences."""
        reach = 1e-4 * max(float(np.ptp(self.knots)), 1e-9)
        slope: FloatArray = (self.at(index + reach) - self.at(index - reach)) / (2 * reach)
        return slope


@dataclass(frozen=True, eq=False)
class SingleIndex:
    """`direction` (p,) and `curve`: predictions are curve(x @ direction)."""

    direction: FloatArray
    curve: Curve

    def predict(self, x: FloatArray) -> FloatArray:
        """Expected outcome of rows (m, p), shape (m,)."""
        return self.curve.at(x @ self.direction)


def fit_single_index(x: FloatArray, outcome: FloatArray) -> SingleIndex:
    """Direction and curve of `outcome` (n,) over centred and scaled columns `x` (n, p), p > 0."""
    from sklearn.linear_model import RidgeCV

    direction = RidgeCV(_STEP_PENALTIES).fit(x, outcome).coef_
    # columns that do not vary in these rows have slopes of rounding alone
    if not float((x @ direction).std()) > _ROUNDING * float(outcome.std()):
        return SingleIndex(
            np.zeros(x.shape[1]), Curve(np.zeros(3), float(outcome.mean()), np.zeros(2))
        )
    direction = direction / (x @ direction).std()
    best = SingleIndex(direction, fit_curve(x @ direction, outcome))
    error = _misfit(best, x, outcome)
    for _ in range(_ROUNDS):
        index = x @ best.direction
        tilted = best.curve.slope(index)[:, None] * x
        model = RidgeCV(_STEP_PENALTIES, fit_intercept=False)
        step = model.fit(tilted, outcome - best.curve.at(index)).coef_
        found = _try_steps(best.direction, step, x, outcome, error)
        if found is None:
            break
        gained = error - found[1]
        best, error = found
        if gained < _GAIN * error:
            break
    return best


def fit_curve(index: FloatArray, outcome: FloatArray) -> Curve:
    """A natural cubic spline of `outcome` (n,) on `index` (n,), linear beyond its outer knots."""
    from sklearn.linear_model import RidgeCV

    knots = np.quantile(index, _KNOTS)
    columns = bend(index, knots)
    scale = np.maximum(columns.std(axis=0), 1e-9)
    # the line itself is hardly penalised, its bends are
    scale[0] /= 30.0
    model = RidgeCV(_CURVE_PENALTIES).fit(columns / scale, outcome)
    return Curve(knots, float(model.intercept_), model.coef_ / scale)


def bend(index: FloatArray, knots: FloatArray) -> FloatArray:
    """Columns (n, k - 1) of the natural cubic spline: the line, and k - 2 bends.

    Hastie, Tibshirani & Friedman 2009, The Elements of Statistical Learning, equation 5.4.
    """
    width = max(float(knots[-1] - knots[0]), 1e-9)
    z, t = (index - knots[0]) / width, (knots - knots[0]) / width

    def cubic(at: int) -> FloatArray:
        gap = max(float(t[-1] - t[at]), 1e-9)
        part: FloatArray = (np.maximum(z - t[at], 0) ** 3 - np.maximum(z - t[-1], 0) ** 3) / gap
        return part

    last = cubic(len(t) - 2)
    return np.column_stack([z, *(cubic(at) - last for at in range(len(t) - 2))])


def _try_steps(
    direction: FloatArray, step: FloatArray, x: FloatArray, outcome: FloatArray, error: float
) -> tuple[SingleIndex, float] | None:
    """The longest of a step, its half, and so on, that lowers the squared error."""
    for halving in range(_HALVINGS):
        moved = direction + step / 2**halving
        spread = float((x @ moved).std())
        if spread <= 0:
            continue
        moved = moved / spread
        found = SingleIndex(moved, fit_curve(x @ moved, outcome))
        own = _misfit(found, x, outcome)
        if own < error:
            return found, own
    return None


def _misfit(fit: SingleIndex, x: FloatArray, outcome: FloatArray) -> float:
    return float(np.mean((outcome - fit.predict(x)) ** 2))
