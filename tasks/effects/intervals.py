"""Estimates with their intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.platform.errors import EstimationError

NUMBERS: Final = ("estimate", "std_error", "ci_low", "ci_high", "p_value")
"""Names of an interval's numbers, in their order."""


@dataclass(frozen=True)
class Interval:
    """An estimate in outcome units with its clustered interval; `p_value` is two-sided for 0."""

    estimate: float
    std_error: float
    ci_low: float
    ci_high: float
    p_value: float


def read_interval(row: Mapping[str, Any]) -> Interval:
    """The interval that a row of a result holds."""
    return Interval(*(row[name] for name in NUMBERS))


def contrast(
    theta: FloatArray,
    cov: FloatArray,
    weights: FloatArray,
    *,
    degrees: float,
    confidence: float = 0.95,
) -> Interval:
    """Interval of `weights @ theta`, by the t quantile with `degrees` degrees of freedom."""
    estimate = float(weights @ theta)
    error = float(np.sqrt(max(float(weights @ cov @ weights), 0.0)))
    return make_interval(estimate, error, degrees=degrees, confidence=confidence)


def make_interval(
    estimate: float, std_error: float, *, degrees: float, confidence: float
) -> Interval:
    """Symmetric t interval about `estimate`."""
    from scipy.special import stdtr

    reach = t_quantile(degrees, confidence) * std_error
    p_value = float(2 * stdtr(degrees, -abs(estimate) / std_error)) if std_error > 0 else 1.0
    return Interval(estimate, std_error, estimate - reach, estimate + reach, p_value)


def effective_size(weights: FloatArray) -> float:
    """How many rows of equal weight are worth as much as rows of these weights (n,), after Kish.

    0 where there is no weight.
    """
    square = float((weights**2).sum())
    return float(weights.sum()) ** 2 / square if square > 0 else 0.0


def t_quantile(degrees: float, confidence: float) -> float:
    """Two-sided t quantile; raises EstimationError without a degree of freedom."""
    from scipy.special import stdtrit

    if degrees < 1:
        raise EstimationError(
            "an interval needs at least 2 clusters, found 1; widen the window or cluster finer"
        )
    return float(stdtrit(degrees, 0.5 + confidence / 2))
