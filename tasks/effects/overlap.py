"""Overlap: could every row have had either treatment?

An average effect over all rows asks what the untreated would have done under treatment, and the
reverse. Where the controls all but decide who is treated, a few rows would have to speak for many,
and no estimator can mend that. Seen by a cross-fitted logistic regression of treatment on controls.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.moments import IntArray

_CLIP = 1e-6
_WEIGHT_CLIP = 0.01


@dataclass(frozen=True)
class OverlapRules:
    """Thresholds of the alarm.

    `min_ess_share`, `weak_ess_share`: effective sample size of an arm, weighted to stand for all
    rows, as a share of its rows. `min_ess`: the same in rows. `max_off_support` and
    `weak_off_support`: share of an arm that lies where the other arm has (next to) no rows.
    """

    min_ess_share: float = 0.05
    weak_ess_share: float = 0.20
    min_ess: float = 10.0
    max_off_support: float = 0.30
    weak_off_support: float = 0.10


@dataclass(frozen=True)
class Overlap:
    """Propensities in (0, 1) and what reweighting each arm to all rows would leave of it.

    `effective_sample_size` is the sum of both arms' (Kish): (sum w)^2 / sum w^2 with w = 1 / p for
    the treated and 1 / (1 - p) for the others, p held within [0.01, 0.99] (as one odd row would
    else decide it). `share_off_support_*` is the share of an arm whose
    propensity lies beyond the 1st or 99th percentile of the other arm's.
    """

    min_propensity: float
    max_propensity: float
    effective_sample_size: float
    effective_treated: float
    effective_untreated: float
    n_treated: int
    n_untreated: int
    share_off_support_treated: float
    share_off_support_untreated: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def fit_propensity(
    controls: FloatArray, is_treated: IntArray, fold: IntArray, folds: int
) -> FloatArray:
    """Out-of-fold probabilities of treatment, shape (n,), by L2-penalised logistic regression.

    `controls` (n, p) are centred and scaled; without any the probability is the training share.
    """
    from sklearn.linear_model import LogisticRegression

    propensity = np.empty(len(is_treated))
    for k in range(folds):
        held, rest = fold == k, fold != k
        share = float(is_treated[rest].mean()) if rest.any() else float(is_treated.mean())
        if controls.shape[1] == 0 or share in (0.0, 1.0):
            propensity[held] = share
        elif held.any():
            model = LogisticRegression(C=1.0, solver="newton-cholesky", max_iter=100)
            model.fit(controls[rest], is_treated[rest])
            propensity[held] = model.predict_proba(controls[held])[:, 1]
    return np.clip(propensity, _CLIP, 1 - _CLIP)


def measure_overlap(propensity: FloatArray, is_treated: IntArray) -> Overlap:
    """Overlap of two arms, both of which have rows."""
    treated, untreated = propensity[is_treated == 1], propensity[is_treated == 0]
    effective = [_effective_size(treated), _effective_size(1 - untreated)]
    return Overlap(
        min_propensity=float(propensity.min()),
        max_propensity=float(propensity.max()),
        effective_sample_size=sum(effective),
        effective_treated=effective[0],
        effective_untreated=effective[1],
        n_treated=len(treated),
        n_untreated=len(untreated),
        share_off_support_treated=_share_outside(treated, untreated),
        share_off_support_untreated=_share_outside(untreated, treated),
    )


def check_overlap(overlap: Overlap, rules: OverlapRules | None = None) -> list[Finding]:
    """What the overlap says against an average effect over all rows."""
    rules = rules or OverlapRules()
    arms: Sequence[tuple[str, float, int, float]] = (
        ("treated", overlap.effective_treated, overlap.n_treated,
         overlap.share_off_support_treated),
        ("untreated", overlap.effective_untreated, overlap.n_untreated,
         overlap.share_off_support_untreated),
    )  # fmt: skip
    findings: list[Finding] = []
    for arm, size, rows, outside in arms:
        findings += _check_size(arm, size, rows, rules)
        findings += _check_support(arm, outside, rules)
    return findings


def _check_size(arm: str, size: float, rows: int, rules: OverlapRules) -> list[Finding]:
    share = size / rows
    if share >= rules.weak_ess_share and size >= rules.min_ess:
        return []
    is_bad = share < rules.min_ess_share or size < rules.min_ess
    return [
        (
            "not credible" if is_bad else "weak",
            f"no overlap: weighted to stand for all rows, the {rows:,} {arm} rows are worth "
            f"{size:,.0f}; ask for the effect on the treated, or narrow the population"
            if is_bad
            else f"thin overlap: the {rows:,} {arm} rows are worth {size:,.0f}",
        )
    ]


def _check_support(arm: str, outside: float, rules: OverlapRules) -> list[Finding]:
    if outside <= rules.weak_off_support:
        return []
    is_bad = outside > rules.max_off_support
    other = "untreated" if arm == "treated" else "treated"
    return [
        (
            "not credible" if is_bad else "weak",
            f"{'no' if is_bad else 'thin'} overlap: {outside:.0%} of the {arm} rows have no like "
            f"among the {other}; ask for the effect on the treated, or narrow the population",
        )
    ]


def _effective_size(chance: FloatArray) -> float:
    """Kish's size of an arm whose rows had these chances to be in it."""
    weights = 1 / np.clip(chance, _WEIGHT_CLIP, 1 - _WEIGHT_CLIP)
    return float(weights.sum() ** 2 / (weights**2).sum())


def _share_outside(arm: FloatArray, other: FloatArray) -> float:
    low, high = np.quantile(other, [0.01, 0.99])
    return float(((arm < low) | (arm > high)).mean())
