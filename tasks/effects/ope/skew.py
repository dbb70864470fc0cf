"""Intervals that stay right when few rows carry the estimate: corrected for skewness.

A mean of clicks, or of clicks times weights, is skewed: forty clicks in ten thousand rows make a
symmetric interval miss too often, and always on the same side. The studentised mean is made
symmetric by a cubic that undoes its skewness (Hall 1992, "On the removal of skewness by
transformation", J. R. Stat. Soc. B 54), which is as exact as a studentised bootstrap without
drawing anything. For plain counts it comes close to the exact Poisson interval from ten up, and is
wider below.
"""

from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.intervals import Interval, t_quantile
from tasks.platform.errors import ConfigError, EstimationError

_STRAIGHT: Final = 1e-6
"""Below this skewness the cubic is the identity to the last digit."""


def skewed_interval(
    estimate: float,
    influence: FloatArray,
    *,
    confidence: float = 0.95,
    bias: float = 0.0,
    is_bent: bool = True,
) -> Interval:
    """Interval of an estimate from the influence of each independent piece, shape (G,).

    `influence` is in units of the estimate, scaled so that its sum of squares is the variance.
    `bias` is an error in the same units that sampling does not show; it widens the interval as if
    it were one more source of variance. Without `is_bent` the interval stays symmetric:
    for logarithms, which undo most skewness themselves, and for differences, whose own skewness is
    small and badly known.

    The t quantile has 2 (sum psi^2)^2 / sum psi^4 degrees of freedom, Satterthwaite's for a
    variance that few pieces carry, half as many where nothing is bent (which held better in
    `tests/benchmarks/bench_ope.py`), and never more than pieces - 1. Raises EstimationError for
    fewer than two pieces, ConfigError for a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence is {confidence:g}; it lies between 0 and 1, as in 0.95")
    pieces = len(influence)
    if pieces < 2:
        raise EstimationError(
            f"an interval needs at least 2 independent rows or clusters, found {pieces}; "
            "cluster finer or bring more rows"
        )
    sampled = influence * np.sqrt(pieces / (pieces - 1))
    variance = float((sampled**2).sum())
    error = float(np.sqrt(variance + bias**2))
    if error <= 1e-14 * max(abs(estimate), 1e-300):
        return Interval(estimate, 0.0, estimate, estimate, 1.0 if estimate == 0 else 0.0)
    skew = float((sampled**3).sum()) / error**3 if is_bent else 0.0
    degrees = _count_degrees(sampled, error**2) * (1.0 if is_bent else 0.5)
    degrees = min(max(degrees, 1.0), pieces - 1.0)
    reach = t_quantile(degrees, confidence)
    return Interval(
        estimate,
        error,
        estimate - error * _stretch(reach, skew),
        estimate - error * _stretch(-reach, skew),
        _p_value(estimate / error, skew, degrees),
    )


def _count_degrees(sampled: FloatArray, variance: float) -> float:
    fourth = float((sampled**4).sum())
    return 2 * variance**2 / fourth if fourth > 0 else 1.0


def _stretch(symmetric: float, skew: float) -> float:
    """The studentised value that Hall's cubic takes to `symmetric`."""
    if abs(skew) < _STRAIGHT:
        return symmetric
    return float(3 / skew * (np.cbrt(1 + skew * (symmetric - skew / 6)) - 1))


def _p_value(statistic: float, skew: float, degrees: float) -> float:
    """Two-sided, for an estimate of nothing: the level at which the interval's end touches 0."""
    from scipy.special import stdtr

    bent = statistic + skew * statistic**2 / 3 + skew**2 * statistic**3 / 27 + skew / 6
    return float(2 * stdtr(degrees, -abs(bent)))
