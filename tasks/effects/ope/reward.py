"""What reward would an action have brought? A penalised regression, fitted out of fold.

Logistic for rewards of 0 and 1, else ridge (scikit-learn): an intercept, position and context, and
a level of its own for every action with enough rows; the others share a level called rare, and so
do actions that were never logged. Where context is given and rows are many, every level has slopes of
its own in position and context too: who likes what is what policies live on. The penalty draws
actions with few rewards to the average, and their slopes to those of all.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray
from tasks.effects.ope.log import Log

MIN_LEVEL_ROWS: Final = 20
MAX_LEVELS: Final = 200
MAX_SLOPES: Final = 300
"""Columns of a design with slopes by level, at most, and not more than one for every tenth row."""
_ROWS_A_COLUMN: Final = 10
_MAX_CELLS: Final = 40_000_000
"""Floats in the design: fewer actions have a level of their own when the log is long."""


@dataclass(frozen=True, eq=False)
class Rewards:
    """Predicted rewards of n rows, out of fold, in units of the reward.

    `logged` (n,): of the logged action; `target` (n,): averaged over the target's distribution.
    `by_level` (S, L): summed over the rows of a stratum, as if each had shown an action of that
    level; `level` (A + 1,) is the level of each action. `design` (n, k) is the regression's,
    `slope` (n,) the derivative of `logged` in its linear predictor, `target_slope` (k,) that of the
    mean of `target` in the coefficients, `inverse` (k, k) the inverse of the penalised Hessian.
    """

    logged: FloatArray
    target: FloatArray
    by_level: FloatArray
    level: IntArray
    design: FloatArray
    slope: FloatArray
    target_slope: FloatArray
    inverse: FloatArray
    residual: FloatArray

    def pull(self, weights: FloatArray) -> FloatArray:
        """What each row adds to the mean of target + weights * residual as training row, (n,).

        First-order, and times n, as the terms of that mean are: residual times the derivative in
        the coefficients over the Hessian. It all but vanishes where the weights balance the design
        (doubly robust), and is nearly all of the sampling error of the direct method.
        """
        n = len(self.logged)
        balance = n * self.target_slope - self.design.T @ (weights * self.slope)
        moved: FloatArray = (self.design @ (self.inverse @ balance)) * self.residual
        return moved


def fit_rewards(
    log: Log, table: FloatArray, place: IntArray | None = None, *, penalty: float = 1.0
) -> Rewards:
    """Fit on the other folds, predict each row's own action and its target distribution.

    `table` (T, A + 1) holds the target's distributions, `place` (n,) the one that each row goes by:
    that of its stratum where it is None.
    """
    place = log.stratum if place is None else place
    level, n_levels = choose_levels(log)
    base = np.column_stack([np.ones(log.n), log.features])
    design = _build_design(log, base, level[log.action], n_levels)
    shares = np.zeros((len(table), n_levels))
    np.add.at(shares.T, level, table.T)
    found = _predict_folds(log, base, design, (shares, place), penalty)
    logged, target, by_level, target_slope = found
    slope = logged * (1 - logged) if log.is_binary else np.ones(log.n)
    hessian = (design * slope[:, None]).T @ design
    hessian[np.arange(1, len(hessian)), np.arange(1, len(hessian))] += penalty
    return Rewards(
        logged=logged,
        target=target,
        by_level=by_level,
        level=level,
        design=design,
        slope=slope,
        target_slope=target_slope,
        inverse=np.linalg.pinv(hessian, hermitian=True).astype(np.float64),
        residual=log.reward - logged,
    )


def choose_levels(log: Log) -> tuple[IntArray, int]:
    """Level of each action, shape (A + 1,), and how many there are; the last is rare."""
    rows = np.bincount(log.action, minlength=len(log.actions))
    room = max(_MAX_CELLS // log.n - log.features.shape[1], MIN_LEVEL_ROWS)
    order = np.argsort(-rows, kind="stable")[: min(MAX_LEVELS, room)]
    own = order[rows[order] >= MIN_LEVEL_ROWS]
    level = np.full(len(log.actions) + 1, len(own), dtype=np.int64)
    level[own] = np.arange(len(own))
    return level, len(own) + 1


def fit_linear(
    design: FloatArray, reward: FloatArray, *, is_binary: bool, penalty: float
) -> FloatArray:
    """Coefficients (k,), on the logit scale for 0/1 rewards; column 0 is the free intercept."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if not is_binary:
        ridge = Ridge(alpha=penalty).fit(design[:, 1:], reward)
        return np.concatenate([[ridge.intercept_], ridge.coef_])
    events = reward.sum()
    if events in (0.0, float(len(reward))):
        flat = np.zeros(design.shape[1])
        flat[0] = np.log((events + 0.5) / (len(reward) - events + 0.5))
        return flat
    model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", max_iter=100)
    model.fit(design[:, 1:], reward)
    return np.concatenate([model.intercept_, model.coef_[0]])


def predict_choice(
    x: FloatArray, choice: IntArray, held: FloatArray, *, count: int, penalty: float
) -> FloatArray:
    """Chance of each of `count` choices by penalised multinomial logistic regression, (h, count).

    `choice` (n,) are those made at the rows of `x`; one that was never made has the chance 0. Without
    columns the chances are their shares.
    """
    from sklearn.linear_model import LogisticRegression

    if not x.shape[1]:
        return np.tile(np.bincount(choice, minlength=count) / len(choice), (len(held), 1))
    model = LogisticRegression(C=1 / penalty, max_iter=300).fit(x, choice)
    chance = np.zeros((len(held), count))
    chance[:, model.classes_] = model.predict_proba(held)
    return chance


def predict_linear(linear: FloatArray, *, is_binary: bool) -> FloatArray:
    """Mean reward at a linear predictor of any shape."""
    from scipy.special import expit

    return expit(linear) if is_binary else linear


def _build_design(log: Log, base: FloatArray, own: IntArray, n_levels: int) -> FloatArray:
    """`base` (n, b), a column for each level, and where there are rows enough b - 1 slopes for each.

    `own` (n,) is the level of each row's action.
    """
    rows, slopes = np.arange(log.n), base.shape[1] - 1
    at = np.zeros((log.n, n_levels))
    at[rows, own] = 1.0
    width = base.shape[1] + n_levels * (1 + slopes)
    is_rich = width <= min(MAX_SLOPES, log.n // _ROWS_A_COLUMN) and log.n * width <= _MAX_CELLS
    if not log.columns.context or not is_rich:
        return np.hstack([base, at])
    by_level = np.zeros((log.n, n_levels, slopes))
    by_level[rows, own] = base[:, 1:]
    return np.hstack([base, at, by_level.reshape(log.n, -1)])


def _spread(beta: FloatArray, width: int, n_levels: int) -> FloatArray:
    """Coefficients of each level in the `width` columns of the base, shape (width, n_levels)."""
    own = np.zeros((n_levels, width))
    own[:, 0] = beta[width : width + n_levels]
    if len(beta) > width + n_levels:
        own[:, 1:] = beta[width + n_levels :].reshape(n_levels, -1)
    found: FloatArray = beta[:width, None] + own.T
    return found


def _predict_folds(
    log: Log,
    base: FloatArray,
    design: FloatArray,
    chances: tuple[FloatArray, IntArray],
    penalty: float,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """What `Rewards` calls logged, target, by_level and target_slope.

    `chances`: the target's chance of each level (T, L), and the row of it (n,) that each row goes by.
    """
    shares, place = chances
    n_levels, width = shares.shape[1], base.shape[1]
    logged, target = np.zeros(log.n), np.zeros(log.n)
    slopes = np.zeros((n_levels, width))
    by_level = np.zeros((len(log.strata), n_levels))
    for k in np.unique(log.fold):
        held: NDArray[np.bool_] = log.fold == k
        rest = ~held
        beta = fit_linear(design[rest], log.reward[rest], is_binary=log.is_binary, penalty=penalty)
        logged[held] = predict_linear(design[held] @ beta, is_binary=log.is_binary)
        stratum, goes_by, own = log.stratum[held], place[held], base[held]
        coefficients = _spread(beta, width, n_levels)
        for one in range(n_levels):
            share = shares[goes_by, one]
            value = predict_linear(own @ coefficients[:, one], is_binary=log.is_binary)
            slope = share * (value * (1 - value) if log.is_binary else 1.0)
            target[held] += share * value
            by_level[:, one] += np.bincount(stratum, weights=value, minlength=len(by_level))
            slopes[one] += slope @ own / log.n
    target_slope = np.concatenate([slopes.sum(axis=0), slopes[:, 0], slopes[:, 1:].ravel()])
    return logged, target, by_level, target_slope[: design.shape[1]]
