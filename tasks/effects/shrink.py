"""Two estimates of the same effects put together: one unbiased and noisy, one precise and doubted.

The precise one may be off by delta_a for effect a, delta_a ~ N(0, tau^2) with tau alike for all
effects. How far it is off shows where the unbiased estimate is precise, and tells how much to trust
it where that is not. tau is integrated out under a half-Cauchy prior (Gelman 2006, "Prior
distributions for variance parameters in hierarchical models"), so that with few effects the doubt
about tau widens the intervals.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray

_STEPS: Final = 100


@dataclass(frozen=True, eq=False)
class Shrunk:
    """`estimate` (k,), its covariance `cov` (k, k), and `doubt`: the mean of tau a posteriori."""

    estimate: FloatArray
    cov: FloatArray
    doubt: float


def shrink(direct: FloatArray, precise: FloatArray, cov: FloatArray, *, scale: float) -> Shrunk:
    """Best of `direct` and `precise`, each of shape (k,), whose errors have covariance (2k, 2k).

    `direct` comes first in `cov`. `scale` is the half-Cauchy prior's, in outcome units: half of the
    time tau is taken to be smaller.
    """
    k = len(direct)
    cov = _make_definite(cov)
    both, stack = np.r_[direct, precise], np.vstack([np.eye(k), np.eye(k)])
    taus = scale * np.tan(np.pi / 2 * (np.arange(_STEPS) + 0.5) / _STEPS)
    logs, means, covs = np.empty(_STEPS), np.empty((_STEPS, k)), np.empty((_STEPS, k, k))
    for step, tau in enumerate(taus):
        inverse = np.linalg.inv(cov + np.diag(np.r_[np.zeros(k), np.full(k, tau**2)]))
        precision = stack.T @ inverse @ stack
        covs[step] = np.linalg.inv(precision)
        means[step] = covs[step] @ (stack.T @ inverse @ both)
        rest = both - stack @ means[step]
        logs[step] = 0.5 * (_log_det(inverse) - _log_det(precision) - rest @ inverse @ rest)
    share = np.exp(logs - logs.max())
    share /= share.sum()
    estimate = share @ means
    away = means - estimate
    total = np.einsum("t,tij->ij", share, covs) + np.einsum("t,ti,tj->ij", share, away, away)
    return Shrunk(estimate, total, float(share @ taus))


def _make_definite(cov: FloatArray) -> FloatArray:
    """`cov` without the small negative eigenvalues that piecewise estimates of it can have."""
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    definite: FloatArray = (vectors * np.maximum(values, 1e-6 * values.max())) @ vectors.T
    return definite


def _log_det(matrix: FloatArray) -> float:
    return float(np.linalg.slogdet(matrix)[1])
