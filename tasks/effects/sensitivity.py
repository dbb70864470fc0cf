"""Sensitivity to an unobserved confounder, measured against controls that are observed.

"A confounder as strong as item price would have to be there" says more than a share of variance.
For one control (or the columns of one control together), its strength is how much of what is left
of treatment and outcome it explains beyond the others; a confounder k times as strong would bias
the effect by at most

    sqrt(R2_outcome R2_treatment / (1 - R2_treatment)) * sqrt(residual SS * spread)

(Cinelli & Hazlett 2020, "Making sense of sensitivity", eqs. 5, 12 and 13, group benchmarks as in
their section 4.4). Everything is read from one Gram matrix, without cross-fitting: strengths are
descriptions of the data, not estimates of effects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray

_RIDGE = 1e-6
_MOST = 0.999


@dataclass(frozen=True)
class Benchmark:
    """How a confounder as strong as `control` could move an estimate.

    `r2_treatment` and `r2_outcome` in [0, 1] are the partial shares that such a confounder would
    explain; `bias` is the largest move, in units of the estimate, at `strength` times the control.
    """

    control: str
    r2_treatment: float
    r2_outcome: float
    bias: float
    strength: float = 1.0

    def cancels(self, estimate: float) -> bool:
        """True when a confounder of this strength could bring `estimate` to zero."""
        return self.bias >= abs(estimate)


def group_controls(names: Sequence[str]) -> dict[str, list[str]]:
    """Columns of the control basis by the control they were made from, in order.

    `c__price_usd:s1` and `c__price_usd:missing` belong to `c__price_usd`, `c__category=Strings` to
    `c__category`.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        head = name.split("=", 1)[0].split(":", 1)[0]
        groups.setdefault(head, []).append(name)
    return groups


def benchmark_controls(
    gram: FloatArray,
    *,
    intercept: int,
    groups: Mapping[str, IntArray],
    treatments: IntArray,
    outcome: int,
    weights: FloatArray,
    strength: float = 1.0,
) -> list[Benchmark]:
    """What a confounder as strong as each group of controls could do to one contrast.

    `gram` (q, q) holds all columns; `weights` (m,) is the contrast over `treatments` (m,). The
    strongest come first.
    """
    everything = np.concatenate([[intercept], *groups.values()]).astype(np.int64)
    spread, left = _solve(gram, everything, treatments, outcome, weights)
    found = []
    for name, columns in groups.items():
        others = np.setdiff1d(everything, columns)
        spread_without, left_without = _solve(gram, others, treatments, outcome, weights)
        r2_d = _share(1 / spread_without, 1 / spread)
        r2_y = _share(left_without, left)
        found.append(_bound(name, r2_d, r2_y, scale=left * spread, strength=strength))
    return sorted(found, key=lambda one: -one.bias)


def _solve(
    gram: FloatArray,
    controls: IntArray,
    treatments: IntArray,
    outcome: int,
    weights: FloatArray,
) -> tuple[float, float]:
    """Variance factor of the contrast (w' inv(D~'D~) w) and the outcome's residual sum of squares."""
    targets = np.r_[treatments, outcome]
    square = gram[np.ix_(controls, controls)]
    scale = np.sqrt(np.maximum(np.diag(square), np.finfo(float).tiny))
    scaled = square / np.outer(scale, scale) + _RIDGE * np.eye(len(controls))
    cross = gram[np.ix_(controls, targets)] / scale[:, None]
    left = gram[np.ix_(targets, targets)] - cross.T @ np.linalg.solve(scaled, cross)
    inner, with_outcome = left[:-1, :-1], left[:-1, -1]
    bread = np.linalg.pinv(inner, hermitian=True)
    residual = float(left[-1, -1] - with_outcome @ bread @ with_outcome)
    return float(weights @ bread @ weights), max(residual, 0.0)


def _share(without: float, with_it: float) -> float:
    """Partial R2 of what is added: the share of a sum of squares that it takes away."""
    if without <= 0:
        return 0.0
    return float(np.clip(1 - with_it / without, 0.0, _MOST))


def _bound(name: str, r2_d: float, r2_y: float, *, scale: float, strength: float) -> Benchmark:
    treatment = min(strength * r2_d / (1 - r2_d), _MOST)
    overlap = strength * r2_d**2 / max((1 - strength * r2_d) * (1 - r2_d), 1e-12)
    overlap = min(overlap, _MOST)
    ratio = (np.sqrt(strength) + np.sqrt(overlap)) / np.sqrt(1 - overlap)
    outcome = min(float(ratio**2) * r2_y / (1 - r2_y), 1.0)
    bias = float(np.sqrt(outcome * treatment / (1 - treatment) * max(scale, 0.0)))
    return Benchmark(name, treatment, outcome, bias, strength)
