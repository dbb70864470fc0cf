"""The naive figure: plain differences in means, shown beside every causal estimate.

For 0/1 columns that exclude one another (positive and negative mentions of one attribute) the
least-squares coefficients of the outcome on them are the differences in means against the rows that
have neither, and the difference of two coefficients is the difference between the two groups. For a
numeric treatment the coefficient is the slope. Nothing is adjusted for.
"""

from collections.abc import Sequence

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.moments import INTERCEPT, IntArray, Moments
from tasks.effects.plr import Fit, Residuals, Variance, solve_residuals
from tasks.effects.plr_rows import solve_rows
from tasks.effects.ridge import locate


def estimate_naive(
    moments: Moments, *, treatments: Sequence[str], outcome: str, variance: Variance = "cr3"
) -> Fit:
    """Least squares of `outcome` on `treatments` alone, clustered by bucket, from Gram matrices.

    Raises EstimationError when a treatment does not vary or repeats another.
    """
    one = int(locate(moments.columns, [INTERCEPT])[0])
    order = np.r_[one, locate(moments.columns, [*treatments, outcome])]
    grams = moments.grams[:, order[:, None], order[None, :]]
    centre = _centring(grams.sum(axis=0))
    centred = centre.T @ grams @ centre
    spread = np.diag(centred.sum(axis=0))[:-1].copy()
    residuals = Residuals(tuple(treatments), centred, spread, moments.n)
    return solve_residuals(residuals, variance=variance)


def estimate_naive_rows(
    columns: FloatArray,
    cluster: IntArray,
    *,
    treatments: tuple[str, ...],
    variance: Variance = "cr3",
) -> Fit:
    """The same from rows in memory: `columns` (n, m + 1) holds the treatments, then the outcome."""
    centred = columns - columns.mean(axis=0)
    spread = (centred[:, :-1] ** 2).sum(axis=0)
    return solve_rows(
        centred, cluster, treatments=treatments, total_variance=spread, variance=variance
    )


def _centring(gram: FloatArray) -> FloatArray:
    """Map of shape (t + 1, t) that takes [1, columns] to columns about their means."""
    means = gram[0, 1:] / gram[0, 0] if gram[0, 0] > 0 else np.zeros(gram.shape[0] - 1)
    return np.vstack([-means, np.eye(len(means))])
