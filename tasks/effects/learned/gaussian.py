"""A Gaussian process of two surfaces: the outcome without treatment, and what treatment adds.

y = f(x) + (d - share) t(x) + noise, where f and t are independent Gaussian processes, each the sum
of a straight line and a smooth bend (squared-exponential kernel), t also of a constant. Both arms
teach f, and t is bent only as far as the rows demand. A two-output process in the manner of Alaa &
van der Schaar 2017, "Bayesian inference of individualized treatment effects using multi-task
Gaussian processes", with the treatment contrast of Hahn, Murray & Carvalho 2020. The eight
hyperparameters maximise the marginal likelihood (Rasmussen & Williams 2006, ch. 5) of at most
`_TUNING_ROWS` rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from tasks.effects.basis import FloatArray

_TUNING_ROWS: Final = 400
_ROUNDS: Final = 25
_START: Final = np.log([1.0, 0.5, 1.0, 0.3, 0.3, 0.3, 1.0, 0.5])
_REACH: Final = 5.0
"""Hyperparameters stay within exp(-5) to exp(5) of their start."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """Log hyperparameters (8,): see `_covariance`; distances are per root column."""

    logs: FloatArray


def tune_kernel(x: FloatArray, contrast: FloatArray, outcome: FloatArray) -> Kernel:
    """Hyperparameters by marginal likelihood, on the first rows of (n, f), (n,), (n,).

    `x` is standardised, `contrast` is treatment minus its share, `outcome` has mean 0, deviation 1.
    """
    from scipy.optimize import minimize

    x, contrast, outcome = x[:_TUNING_ROWS], contrast[:_TUNING_ROWS], outcome[:_TUNING_ROWS]
    products, distances = x @ x.T / x.shape[1], _square_distances(x, x)
    pairs = np.outer(contrast, contrast)

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        return measure_misfit(logs, products, distances, pairs, outcome)

    bounds = [(start - _REACH, start + _REACH) for start in _START]
    found = minimize(
        loss, _START, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ROUNDS}
    )
    return Kernel(np.asarray(found.x, dtype=np.float64))


def predict_process(
    kernel: Kernel,
    train: tuple[FloatArray, FloatArray, FloatArray],
    x: FloatArray,
    contrasts: Sequence[float],
) -> FloatArray:
    """Posterior means (c, h) at rows `x` (h, f) under each of c contrasts.

    `train` holds x, contrast and outcome, as for `tune_kernel`.
    """
    seen, contrast, outcome = train
    width = x.shape[1]
    gram = _covariance(
        kernel.logs, seen @ seen.T / width, _square_distances(seen, seen),
        np.outer(contrast, contrast),
    )  # fmt: skip
    gram[np.diag_indices_from(gram)] += np.exp(kernel.logs[7]) + 1e-6
    weights = cho_solve(cho_factor(gram, lower=True, check_finite=False), outcome)
    products, distances = x @ seen.T / width, _square_distances(x, seen)
    means = [
        _covariance(kernel.logs, products, distances, np.full((len(x), 1), c) * contrast) @ weights
        for c in contrasts
    ]
    return np.stack(means)


def standardise(outcome: FloatArray) -> tuple[FloatArray, float, float]:
    """`outcome` (n,) of mean 0 and deviation 1, and what its mean and deviation were."""
    centre, scale = float(outcome.mean()), float(outcome.std()) or 1.0
    return (outcome - centre) / scale, centre, scale


def measure_misfit(
    logs: FloatArray,
    products: FloatArray,
    distances: FloatArray,
    pairs: FloatArray,
    outcome: FloatArray,
) -> tuple[float, FloatArray]:
    """Minus the log of likelihood times prior, and its gradient (8,).

    The slope along a hyperparameter is half the sum of (inv(K) - a a') dK, where a = inv(K) y
    (Rasmussen & Williams 2006, equation 5.9).
    """
    gram = _covariance(logs, products, distances, pairs)
    gram[np.diag_indices_from(gram)] += np.exp(logs[7]) + 1e-6
    try:
        factor = cho_factor(gram, lower=True, check_finite=False)
    except LinAlgError:
        return 1e10, np.zeros(len(logs))
    solved = cho_solve(factor, outcome, check_finite=False)
    away = logs - _START
    prior = float((away**2).sum()) / 9.0  # log-normal, deviation 3 / sqrt 2
    loss = 0.5 * float(outcome @ solved) + float(np.log(np.diag(factor[0])).sum()) + prior
    inverse = cho_solve(factor, np.eye(len(outcome)), check_finite=False)
    pull = inverse - np.outer(solved, solved)
    slopes = [float((pull * part).sum()) for part in _slope_parts(logs, products, distances, pairs)]
    noise = float(np.exp(logs[7]) * np.trace(pull))
    return loss, 0.5 * np.array([*slopes, noise]) + away * (2.0 / 9.0)


def _slope_parts(
    logs: FloatArray, products: FloatArray, distances: FloatArray, pairs: FloatArray
) -> Iterator[FloatArray]:
    """Derivatives of the covariance along the first seven log hyperparameters, in their order."""
    line, bend, reach, constant, slope, curve, span = np.exp(logs[:7])
    yield line * products
    bent = bend * np.exp(-0.5 * distances / reach**2)
    yield bent
    yield bent * distances / reach**2
    yield constant * pairs
    yield slope * pairs * products
    curved = curve * pairs * np.exp(-0.5 * distances / span**2)
    yield curved
    yield curved * distances / span**2


def _covariance(
    logs: FloatArray, products: FloatArray, distances: FloatArray, pairs: FloatArray
) -> FloatArray:
    """Kernel of f plus contrast times contrast times kernel of t.

    Order: line, bend and length of f; constant, line, bend and length of t; noise.
    """
    line, bend, reach, constant, slope, curve, span = np.exp(logs[:7])
    base = 1.0 + line * products + bend * np.exp(-0.5 * distances / reach**2)
    effect = constant + slope * products + curve * np.exp(-0.5 * distances / span**2)
    covariance: FloatArray = base + pairs * effect
    return covariance


def _square_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Mean squared difference over columns, shape (len(a), len(b))."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    distances: FloatArray = np.maximum(squares, 0.0) / a.shape[1]
    return distances
