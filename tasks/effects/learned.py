"""Slopes of an outcome on treatments, by learners: of any number of treatments, of any values.

What stacked learners leave of each treatment and of the outcome, every row foretold by learners that
saw none of its fold, so that bends and what controls do together are taken out of all (the partially
linear model of double machine learning: Chernozhukov et al. 2018, section 4.1).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.intervals import t_quantile
from tasks.effects.moments import IntArray
from tasks.effects.nuisance import cross_fit_mean
from tasks.effects.plr import Fit, measure_spread
from tasks.effects.plr_rows import solve_rows

_SURE: Final = 0.99


@dataclass(frozen=True)
class Shift:
    """How far learners move a contrast on the same rows, and how far chance alone would."""

    gap: float
    reach: float

    @property
    def is_real(self) -> bool:
        """Beyond chance."""
        return abs(self.gap) > self.reach


def fit_learned(
    features: FloatArray,
    controls: FloatArray,
    sides: FloatArray,
    cluster: IntArray,
    fold: IntArray,
    folds: int,
    *,
    treatments: tuple[str, ...],
    seed: int,
) -> Fit:
    """Effects of treatments (n, m) on an outcome, which is the last column of `sides` (n, m + 1).

    `features` (n, f) and `controls` (n, p) are those of `cross_fit_mean`; `cluster` (n,) holds codes
    from 0 on, `fold` (n,) the fold of each row, the same for all rows of a cluster. Raises
    EstimationError where the treatments cannot be told apart.
    """
    left = np.column_stack([
        side - cross_fit_mean(features, controls, side, fold, folds, seed=seed)
        for side in sides.T
    ])  # fmt: skip
    whole = np.column_stack([np.ones(len(sides)), sides])
    spread = measure_spread(whole.T @ whole, np.arange(1, sides.shape[1]))
    return solve_rows(left, cluster, treatments=treatments, total_variance=spread)


def measure_shift(plain: Fit, learned: Fit, weights: FloatArray, *, confidence: float) -> Shift:
    """What learners add to a `plain` fit of the same treatments and clusters, for one contrast (m,).

    The error of the difference is that of the difference of the clusters' influences (Hausman 1978,
    "Specification tests in econometrics").
    """
    error = float(np.linalg.norm((learned.influence - plain.influence) @ weights))
    reach = t_quantile(learned.degrees(weights), max(confidence, _SURE)) * error
    return Shift(float((learned.theta - plain.theta) @ weights), reach)
