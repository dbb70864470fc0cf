"""Overlap: could every row have had either treatment?

An average effect over all rows asks what the untreated would have done under treatment, and the
reverse; an effect on the treated asks only what they would have done without. Where the controls
all but decide who is treated, a few rows would have to speak for many, and no estimator can mend
that. Seen by a cross-fitted logistic regression of treatment on controls.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.estimand import ESTIMANDS, NAMES, Estimand
from tasks.effects.intervals import effective_size
from tasks.effects.moments import IntArray

Arm = Literal["treated", "untreated"]

_CLIP = 1e-6
_WEIGHT_CLIP = 0.01
_STRENGTHS: Final = (1.0, 0.1, 0.01)
"""Inverse penalties of the logistic regression; of equal losses the first serves."""
_LIKE_ROWS: Final = 10
_LIKE_SHARE: Final = 0.01
_CALIPER: Final = 0.2
"""Deviations of the logit within which two rows are alike (Austin 2011, "Optimal caliper widths")."""


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

    `effective_sample_size` is the sum of both arms' (Kish): (sum w)^2 / sum w^2. For the average
    effect ("ate") w = 1 / p for the treated and 1 / (1 - p) for the others; for the effect on the
    treated ("att") 1 and p / (1 - p); on the untreated ("atc") (1 - p) / p and 1. p is held within
    [0.01, 0.99], as one odd row would else decide it. `share_off_support_*` is the share of an arm
    whose propensity lies beyond the other's 1st or 99th percentile, or tenth smallest or largest of
    more than a thousand, by more than a fifth of the logit's deviation within the arms: of many
    thousand untreated it is enough that some dozens are like the treated. `instead` is a narrower
    average that these rows could give where the one over all rows ("ate") is asked for.
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
    estimand: Estimand = "ate"
    instead: Estimand | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def fit_propensity(
    controls: FloatArray, is_treated: IntArray, fold: IntArray, folds: int
) -> FloatArray:
    """Out-of-fold probabilities of treatment, shape (n,), by L2-penalised logistic regression.

    `controls` (n, p) are centred and scaled; without any the probability is the share of all rows.
    The penalty is the one of the least out-of-fold log loss: too small a one for many controls would
    make chances out of noise, and overlap look thin that is not. So would the share of the rows that
    a fold is told by: the more of a fold are treated, the fewer of the others are, by much where
    whole clusters are treated. Each fold's chances are shifted to the share of all rows.
    """
    strengths = _STRENGTHS if controls.shape[1] else _STRENGTHS[:1]
    fits = [
        _fit_strength(controls, is_treated, fold, folds, strength=strength)
        for strength in strengths
    ]
    return min(fits, key=lambda propensity: _log_loss(propensity, is_treated))


def _fit_strength(
    controls: FloatArray, is_treated: IntArray, fold: IntArray, folds: int, *, strength: float
) -> FloatArray:
    from scipy.special import expit
    from sklearn.linear_model import LogisticRegression

    overall = float(is_treated.mean())
    propensity = np.full(len(is_treated), overall)
    for k in range(folds):
        held, rest = fold == k, fold != k
        share = float(is_treated[rest].mean()) if rest.any() else overall
        if held.any() and controls.shape[1] > 0 and share not in (0.0, 1.0):
            model = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=100)
            model.fit(controls[rest], is_treated[rest])
            shift = _logit(np.array([overall, share])) @ [1.0, -1.0]
            propensity[held] = expit(model.decision_function(controls[held]) + shift)
    held_within: FloatArray = np.clip(propensity, _CLIP, 1 - _CLIP)
    return held_within


def _log_loss(propensity: FloatArray, is_treated: IntArray) -> float:
    chance = np.where(is_treated == 1, propensity, 1 - propensity)
    return -float(np.log(chance).mean())


def measure_overlap(
    propensity: FloatArray, is_treated: IntArray, *, estimand: Estimand = "ate"
) -> Overlap:
    """Overlap of two arms, both of which have rows, for the population that is asked about."""
    own = _measure(propensity, is_treated, estimand)
    if estimand != "ate":
        return own
    others = (_measure(propensity, is_treated, other) for other in ESTIMANDS if other != "ate")
    fit = (other.estimand for other in others if not _is_bad(check_overlap(other)))
    return replace(own, instead=next(fit, None))


def _is_bad(findings: Sequence[Finding]) -> bool:
    return any(verdict == "not credible" for verdict, _ in findings)


def _measure(propensity: FloatArray, is_treated: IntArray, estimand: Estimand) -> Overlap:
    treated, untreated = propensity[is_treated == 1], propensity[is_treated == 0]
    effective = [
        float(len(treated)) if estimand == "att" else _effective_size(treated, estimand == "atc"),
        float(len(untreated))
        if estimand == "atc"
        else _effective_size(1 - untreated, estimand == "att"),
    ]
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
        estimand=estimand,
    )


def check_overlap(overlap: Overlap, rules: OverlapRules | None = None) -> list[Finding]:
    """What the overlap says against the average that is asked for.

    For the effect on the treated only the untreated are weighted, and only the treated need their
    like; for the effect on the untreated the reverse.
    """
    rules = rules or OverlapRules()
    weighted: dict[Estimand, tuple[Arm, ...]] = {
        "ate": ("treated", "untreated"), "att": ("untreated",), "atc": ("treated",),
    }  # fmt: skip
    spoken_for: dict[Estimand, tuple[Arm, ...]] = {
        "ate": ("treated", "untreated"), "att": ("treated",), "atc": ("untreated",),
    }  # fmt: skip
    findings: list[Finding] = []
    for arm in weighted[overlap.estimand]:
        size = overlap.effective_treated if arm == "treated" else overlap.effective_untreated
        rows = overlap.n_treated if arm == "treated" else overlap.n_untreated
        findings += _check_size(arm, size, rows, overlap, rules)
    for arm in spoken_for[overlap.estimand]:
        outside = (
            overlap.share_off_support_treated
            if arm == "treated"
            else overlap.share_off_support_untreated
        )
        findings += _check_support(arm, outside, overlap, rules)
    return findings


_NARROW: Final[dict[Estimand, str]] = {
    "ate": "narrow the population to rows that have their like in the other arm, and ask for the "
    "effect on the treated of these",
    "att": "narrow the population to treated rows that have like among the untreated",
    "atc": "narrow the population to untreated rows that have like among the treated",
}


def _advise(overlap: Overlap) -> str:
    """What to ask instead: a narrower average that these rows can give, else fewer rows."""
    if overlap.instead is not None:
        return f"ask for {NAMES[overlap.instead]}, or narrow the population"
    return _NARROW[overlap.estimand]


_WHOM: Final[dict[Estimand, str]] = {
    "ate": "all rows", "att": "the treated", "atc": "the untreated",
}  # fmt: skip


def _check_size(
    arm: Arm, size: float, rows: int, overlap: Overlap, rules: OverlapRules
) -> list[Finding]:
    """An arm that has to speak for a population: what its rows are worth when weighted to it.

    For an average over one arm the other may be far larger than needed, so that its share says
    nothing; what counts is its worth beside the rows it speaks for.
    """
    needed = rows if overlap.estimand == "ate" else min(rows, _spoken_rows(overlap))
    share = size / needed
    if share >= rules.weak_ess_share and size >= rules.min_ess:
        return []
    is_bad = share < rules.min_ess_share or size < rules.min_ess
    worth = f"the {rows:,} {arm} rows are worth {size:,.0f}"
    return [
        (
            "not credible" if is_bad else "weak",
            f"no overlap: weighted to stand for {_WHOM[overlap.estimand]}, {worth}; "
            f"{_advise(overlap)}"
            if is_bad
            else f"thin overlap: {worth}",
        )
    ]


def _spoken_rows(overlap: Overlap) -> int:
    return overlap.n_treated if overlap.estimand == "att" else overlap.n_untreated


def _check_support(
    arm: Arm, outside: float, overlap: Overlap, rules: OverlapRules
) -> list[Finding]:
    if outside <= rules.weak_off_support:
        return []
    is_bad = outside > rules.max_off_support
    other = "untreated" if arm == "treated" else "treated"
    return [
        (
            "not credible" if is_bad else "weak",
            f"{'no' if is_bad else 'thin'} overlap: {outside:.0%} of the {arm} rows have no like "
            f"among the {other}; {_advise(overlap)}",
        )
    ]


def _effective_size(chance: FloatArray, is_odds: bool = False) -> float:
    """Kish's size of an arm whose rows had these chances to be in it.

    Weighted by 1 / chance to stand for everybody, or by the odds against to stand for the others.
    """
    chance = np.clip(chance, _WEIGHT_CLIP, 1 - _WEIGHT_CLIP)
    weights = (1 - chance) / chance if is_odds else 1 / chance
    return effective_size(weights)


def _share_outside(arm: FloatArray, other: FloatArray) -> float:
    own, ranked = _logit(arm), np.sort(_logit(other))
    most = min(_LIKE_ROWS, math.ceil(_LIKE_SHARE * len(ranked)))
    reach = _CALIPER * float(np.sqrt((own.var() + ranked.var()) / 2))
    return float(((own < ranked[most - 1] - reach) | (own > ranked[-most] + reach)).mean())


def _logit(chance: FloatArray) -> FloatArray:
    logit: FloatArray = np.log(chance / (1 - chance))
    return logit
