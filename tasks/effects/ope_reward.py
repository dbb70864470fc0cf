"""What reward would an action have brought? A penalised regression, fitted out of fold.

Logistic for rewards of 0 and 1, else ridge (scikit-learn): an intercept, position and context, and
a level of its own for every action with enough rows; the others share a level called rare, and so
do actions that were never logged. The penalty draws actions with few rewards to the average.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray
from tasks.effects.ope_log import Log

MIN_LEVEL_ROWS: Final = 20
MAX_LEVELS: Final = 200
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


def fit_rewards(log: Log, table: FloatArray, *, penalty: float = 1.0) -> Rewards:
    """Fit on the other folds, predict each row's own action and its target distribution.

    `table` (S, A + 1) is the target's distribution by stratum.
    """
    level, n_levels = choose_levels(log)
    design = np.zeros((log.n, 1 + log.features.shape[1] + n_levels))
    design[:, 0] = 1.0
    design[:, 1 : 1 + log.features.shape[1]] = log.features
    design[np.arange(log.n), design.shape[1] - n_levels + level[log.action]] = 1.0
    shares = np.zeros((len(log.strata), n_levels))
    np.add.at(shares.T, level, table.T)
    found = _predict_folds(log, design, shares, level, penalty)
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


def predict_linear(linear: FloatArray, *, is_binary: bool) -> FloatArray:
    """Mean reward at a linear predictor of any shape."""
    from scipy.special import expit

    return expit(linear) if is_binary else linear


def _predict_folds(
    log: Log, design: FloatArray, shares: FloatArray, level: IntArray, penalty: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    n_levels, width = shares.shape[1], design.shape[1]
    logged, target, target_slope = np.zeros(log.n), np.zeros(log.n), np.zeros(width)
    by_level = np.zeros_like(shares)
    for k in np.unique(log.fold):
        held: NDArray[np.bool_] = log.fold == k
        rest = ~held
        beta = fit_linear(design[rest], log.reward[rest], is_binary=log.is_binary, penalty=penalty)
        base = design[held, : width - n_levels] @ beta[: width - n_levels]
        stratum, total_slope = log.stratum[held], np.zeros(len(base))
        logged[held] = predict_linear(design[held] @ beta, is_binary=log.is_binary)
        for one in range(n_levels):
            share = shares[stratum, one]
            value = predict_linear(base + beta[width - n_levels + one], is_binary=log.is_binary)
            slope = share * (value * (1 - value) if log.is_binary else 1.0)
            target[held] += share * value
            by_level[:, one] += np.bincount(stratum, weights=value, minlength=len(by_level))
            target_slope[width - n_levels + one] += slope.sum() / log.n
            total_slope += slope
        target_slope[: width - n_levels] += design[held, : width - n_levels].T @ total_slope / log.n
    return logged, target, by_level, target_slope
