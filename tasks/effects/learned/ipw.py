"""Average effects of a two-valued treatment by weighting alone.

Each arm is weighted until it resembles the rows asked about: all of them, the treated, or the
untreated. Weights sum to one in each arm (Hajek 1971). Chances of treatment that were learned are
smoother than the true ones, and weights made of them alone leave a part of every imbalance: from
there they are moved, as little as need be, until the means of the controls agree, and those of smooth
functions of the controls (calibration, as Zubizarreta 2015, "Stable weights that balance covariates",
whose weights are not held above zero here; of functions, as Wong & Chan 2018, "Kernel-based covariate
functional balancing"). The functions are random features of a Gaussian kernel (Rahimi & Recht 2007)
and the bends of `tasks.effects.learned.smooth`. The estimate looks at no outcome model (outcomes only help to
choose among the bends); beside the doubly robust one it shows how much of that is owed to the
outcome models. Its variance does: what the balanced columns explain of the outcome cannot vary
with the draw of an arm any more, so that only what a ridge on them leaves counts there (as in the
calibration estimators of survey sampling: Deville & Saerndal 1992, section 3).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.estimand import Estimand, check_estimand
from tasks.effects.learned.balance import share_asked, weigh_arm
from tasks.effects.learned.irm import CLIP, cluster_error, count_clipped
from tasks.effects.learned.nuisance import check_arms
from tasks.effects.learned.smooth import bend_controls, is_overlapping, limit_penalty
from tasks.effects.moments import IntArray

Mask = NDArray[np.bool_]

_PENALTIES: Final = np.logspace(-1, 5, 13)
_MOST_LEVERAGE: Final = 1 - 1e-9
"""Any less would make fits that pass through all points look best: what they leave is nothing, divided
by something."""
_MIN_ARM: Final = 8
"""Fewer rows of an arm say nothing of how the outcome depends on the controls."""
_FUNCTIONS: Final = 100
"""Half or twice as many change a standard error by a hundredth."""
_PULL: Final = 5.0
"""How much rather the weights spread than leave the controls apart, for all columns together; for all
functions together it is one."""
_SHARE: Final = 0.3
"""Degrees of freedom for each row of an arm, where bends are to agree beside the controls: with more,
few rows carry all the weight."""


@dataclass(frozen=True, eq=False)
class IpwFit:
    """An average effect in outcome units; cluster sums of `influence` (n,) give its variance.

    `weights` (n,) sum to one in each arm. `effective_treated` and `effective_untreated` are the
    arms' effective sizes (Kish). `clipped` rows lay beyond `clip` or 1 - `clip`. Without a basis the
    variance takes the weights as known, which errs on the wide side.
    """

    estimate: float
    std_error: float
    influence: FloatArray
    weights: FloatArray
    effective_treated: float
    effective_untreated: float
    estimand: Estimand
    clip: float
    clipped: int
    clusters: int


def estimate_ipw(
    propensity: FloatArray,
    outcome: FloatArray,
    is_treated: IntArray,
    *,
    cluster: IntArray,
    basis: FloatArray | None = None,
    features: FloatArray | None = None,
    estimand: Estimand = "ate",
    clip: float = CLIP,
) -> IpwFit:
    """Effect on all rows ("ate"), the treated ("att") or the untreated ("atc") by weighting.

    `propensity` (n,) are chances of treatment, from rows other than their own; `cluster` (n,) holds
    codes 0 to G - 1. `basis` (n, p) are centred and scaled controls whose means are to agree; None
    leaves the weights to the propensities. With `features` (n, f), the same controls as raw numbers,
    their bends are to agree as well, unless many rows have no like in an arm. Raises
    EstimationError for an empty arm.
    """
    check_estimand(estimand)
    check_arms(outcome, is_treated)
    asked = share_asked(is_treated, estimand=estimand)
    pulled, has_bends = None, False
    if basis is not None and basis.shape[1]:
        bends = np.zeros((len(outcome), 0))
        if features is not None and is_overlapping(propensity):
            bends = bend_controls(features, basis, outcome, is_treated)
        pulled, has_bends = _pull_columns(basis, np.column_stack([basis, bends])), bends.size > 0
    factor = np.zeros((len(outcome), 0)) if pulled is None else pulled.factor
    weights = np.zeros(len(outcome))
    arms = [is_treated == 0, is_treated == 1]
    for value, arm in enumerate(arms):
        own = weigh_arm(
            propensity, is_treated, value, asked, factor, estimand=estimand, hold=clip,
            trust=1 / limit_penalty(factor[arm], share=_SHARE) if has_bends else 1.0,
        )  # fmt: skip
        weights[arm] = own / own.sum()
    means = [float(weights[arm] @ outcome[arm]) for arm in arms]
    influence = np.zeros(len(outcome))
    for sign, arm in zip((-1.0, 1.0), arms, strict=True):
        influence += sign * _influence_arm(pulled, outcome, arm, weights, asked)
    error, clusters = cluster_error(influence, cluster)
    sizes = [1.0 / float((weights[arm] ** 2).sum()) for arm in arms]
    return IpwFit(
        estimate=means[1] - means[0],
        std_error=error,
        influence=influence * np.sqrt(clusters / (clusters - 1)),
        weights=weights,
        effective_treated=sizes[1],
        effective_untreated=sizes[0],
        estimand=estimand,
        clip=clip,
        clipped=count_clipped(propensity, clip),
        clusters=clusters,
    )


@dataclass(frozen=True, eq=False)
class _Pulled:
    """The controls and functions of them, as weights are pulled towards their means.

    `factor` (n, p + q + 1) ends with a column of ones; divided by `pulls` (p + q,), the others are
    what the outcome is predicted by.
    """

    factor: FloatArray
    pulls: FloatArray


def _pull_columns(basis: FloatArray, columns: FloatArray) -> _Pulled:
    """Of functions of the controls `basis` (n, p), and `columns` (n, q) of any scale."""
    from sklearn.kernel_approximation import RBFSampler

    n, width = basis.shape
    kernel = RBFSampler(gamma=0.5 / width, n_components=_FUNCTIONS, random_state=0)
    functions = kernel.fit_transform(basis)
    scale = 1 / np.sqrt(columns.shape[1])
    columns = columns / np.sqrt(max(float(columns.var(axis=0).mean()), 1e-12))
    return _Pulled(
        factor=np.column_stack([_PULL * scale * columns, functions, np.ones(n)]),
        pulls=np.repeat([_PULL * scale, scale], [columns.shape[1], _FUNCTIONS]),
    )


def _influence_arm(
    pulled: _Pulled | None, outcome: FloatArray, arm: Mask, weights: FloatArray, asked: FloatArray
) -> FloatArray:
    """Influence (n,) of all rows on the weighted mean of one arm's outcomes."""
    influence = np.zeros(len(outcome))
    left = outcome[arm] - float(weights[arm] @ outcome[arm])
    if pulled is not None and int(arm.sum()) > _MIN_ARM:
        columns = pulled.factor[:, :-1]
        slopes, left = _leave_out(columns[arm] / pulled.pulls, outcome[arm])
        predicted = columns @ (slopes / pulled.pulls)
        influence += asked * (predicted - float(asked @ predicted))
        left = left - float(weights[arm] @ left)
    influence[arm] += weights[arm] * left
    return influence


def _leave_out(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ridge slopes (p,) and leave-one-out residuals (m,) of `x` (m, p) and `y`.

    The penalty is the one of the least leave-one-out error.
    """
    turned, height = x - x.mean(axis=0), float(y.mean())
    values, axes = np.linalg.eigh(turned.T @ turned)
    turned, values = turned @ axes, np.maximum(values, 0.0)
    squares, along, found = turned**2, turned.T @ (y - height), []
    for penalty in _PENALTIES:
        share = 1 / (values + penalty)
        hold = np.minimum(squares @ share + 1 / len(y), _MOST_LEVERAGE)
        residual = (y - height - turned @ (share * along)) / (1 - hold)
        found.append((float(residual @ residual), penalty, residual))
    _, penalty, residual = min(found, key=lambda one: one[0])
    return axes @ (along / (values + penalty)), residual
