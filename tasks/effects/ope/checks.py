"""Overlap of a target policy with a log, and what speaks against a value read from it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.controls.copies import find_copies
from tasks.effects.credibility import Finding, Verdict
from tasks.effects.intervals import Interval, effective_size
from tasks.effects.ope.log import Log
from tasks.effects.ope.policy import Policy
from tasks.effects.ope.skew import skewed_interval


@dataclass(frozen=True)
class WeightRules:
    """Thresholds of the alarm.

    `weak_share`: effective sample size as a share of the rows, where the spread of the weights rests
    on fewer rows than `weak_spread`: of an action that one row in fifty shows, alike everywhere, a
    long log has rows enough. `weak_size`, `min_size`: the effective size in rows. `weak_clusters`, `min_clusters`: effective number of clusters. `weak_events`, `min_events`: effective number of rewarded rows, for rewards of 0 and 1.
    `weak_heaviest`: share of all weight on one row. `weak_unsupported`, `max_unsupported`: share of
    the target's mass on actions that were never logged where it plays them. `mean_confidence`: how
    sure it must be that the weights do not average what they should.
    """

    weak_share: float = 0.20
    weak_spread: float = 100.0
    weak_size: float = 100.0
    min_size: float = 30.0
    weak_clusters: float = 20.0
    min_clusters: float = 5.0
    weak_events: float = 20.0
    min_events: float = 5.0
    weak_heaviest: float = 0.10
    weak_unsupported: float = 0.01
    max_unsupported: float = 0.10
    mean_confidence: float = 0.999


@dataclass(frozen=True)
class Weights:
    """Weights target chance / propensity of n rows.

    `effective_sample_size` is Kish's (sum w)^2 / sum w^2, `effective_share` that over n,
    `effective_events` the same over rows with a reward other than 0, each weighted by reward and w.
    `spread_rows` is (sum w^2)^2 / sum w^4, the same size of the squared weights: how many rows the
    spread of the weights, and so an interval's width, rests on. `mean_weight` would be 1 with right propensities and full support; `mean_low` and `mean_high`
    hold it with `mean_confidence`. `share_above_10` is the share of rows with a weight above 10,
    `heaviest_share` the heaviest row's share of all weight, `unsupported_share` the target's mass
    on actions never logged in that stratum, or where the log's policy was certain of another; the
    latter is `certain_share`. None when the target's distribution is not known, and nothing certain.
    """

    effective_sample_size: float
    effective_share: float
    effective_events: float
    spread_rows: float
    max_weight: float
    mean_weight: float
    mean_low: float
    mean_high: float
    heaviest_share: float
    share_above_10: float
    unsupported_share: float | None
    certain_share: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def measure_weights(log: Log, policy: Policy, rules: WeightRules) -> Weights:
    """Overlap of the log with the target."""
    weights = policy.chance / log.propensity
    mean = _mean_weight(log, weights, rules.mean_confidence)
    size = effective_size(weights)
    certain = _find_certain(log, policy)
    return Weights(
        effective_sample_size=size,
        effective_share=size / log.n,
        effective_events=effective_size(weights * np.abs(log.reward)),
        spread_rows=effective_size(weights**2),
        max_weight=float(weights.max()),
        mean_weight=mean.estimate,
        mean_low=mean.ci_low,
        mean_high=mean.ci_high,
        heaviest_share=float(weights.max() / weights.sum()),
        share_above_10=float((weights > 10).mean()),
        unsupported_share=_find_unsupported(log, policy, certain),
        certain_share=float(certain.mean()),
    )


def check_weights(log: Log, weights: Weights, rules: WeightRules) -> list[Finding]:
    """What the weights say against any value read with them."""
    return [
        *_check_size(log, weights, rules),
        *check_clusters(log, rules),
        *_check_events(log, weights, rules),
        *_check_support(log, weights, rules),
        *_check_mean(log, weights),
        *_check_variation(log),
    ]


def check_copies(log: Log) -> list[Finding]:
    """Whether rows are there several times: equal in what is used of the log, or in all its columns.

    All columns tell more where the log names its rounds or times, and less where copies were
    numbered anew.
    """
    known = np.column_stack([log.propensity, log.features])
    for names, what in _list_compared(log):
        said = find_copies(
            log.frame, names, outcome=log.reward, known=known, cluster=log.cluster, what=what
        )
        if said:
            return [("weak", said)]
    return []


def _list_compared(log: Log) -> Iterator[tuple[list[str], str]]:
    """Columns that copies share besides the reward, and what they are in words."""
    roles = log.columns
    asked = (roles.action, roles.propensity, roles.position, *roles.strata, *roles.context)
    used = [name for name in dict.fromkeys(asked) if name in log.frame.columns]
    if roles.context:
        yield [str(name) for name in used], "reward, action, propensity and context"
    every = [name for name in log.frame.columns if name not in (roles.reward, roles.cluster)]
    yield every, "reward and all other columns"


def check_clusters(log: Log, rules: WeightRules) -> list[Finding]:
    """Whether the rows come from enough clusters, told by Kish's count of them."""
    count = effective_size(np.bincount(log.cluster).astype(np.float64))
    if count >= rules.weak_clusters:
        return []
    return [
        (
            "weak" if count >= rules.min_clusters else "not credible",
            f"it rests on few {log.columns.cluster}, as if on {count:.1f} equal ones; log more",
        )
    ]


def _mean_weight(log: Log, weights: FloatArray, confidence: float) -> Interval:
    mean = float(weights.mean())
    influence = log.gather((weights - mean) / log.n)
    return skewed_interval(mean, influence, confidence=confidence)


def _find_certain(log: Log, policy: Policy) -> FloatArray:
    """Target's chance of other actions where the log could show none, shape (n,)."""
    return np.where(_is_certain(log), 1 - policy.chance, 0.0)


def _is_certain(log: Log) -> NDArray[np.bool_]:
    """Rows (n,) at which even as many as the log has would leave less than one of other actions."""
    certain: NDArray[np.bool_] = log.propensity > 1 - 1 / log.n
    return certain


def _find_unsupported(log: Log, policy: Policy, certain: FloatArray) -> float | None:
    """Target mass that no row speaks of: in (stratum, action) cells without a row, or `certain` (n,)."""
    if policy.table is None:
        return float(certain.mean()) if certain.any() else None
    is_empty = log.tabulate(np.ones(log.n)) == 0
    mass = (policy.table * is_empty[policy.stratum]).sum(axis=1)
    return float(np.maximum(mass[policy.place], certain).mean())


def _check_size(log: Log, weights: Weights, rules: WeightRules) -> list[Finding]:
    size = weights.effective_sample_size
    advice = "log more rows, explore more, or ask for a target nearer to the logging policy"
    findings: list[Finding] = []
    is_uneven = weights.spread_rows < rules.weak_spread
    if size < rules.weak_size or (is_uneven and weights.effective_share < rules.weak_share):
        verdict: Verdict = "not credible" if size < rules.min_size else "weak"
        findings.append(
            (
                verdict,
                f"weak overlap: weighted to the target, the {log.n:,} rows are worth {size:,.0f} "
                f"({weights.effective_share:.1%}); {advice}",
            )
        )
    if weights.heaviest_share > rules.weak_heaviest:
        findings.append(
            (
                "weak",
                f"one row carries {weights.heaviest_share:.0%} of all weight "
                f"(weight {weights.max_weight:,.1f})",
            )
        )
    return findings


def _check_events(log: Log, weights: Weights, rules: WeightRules) -> list[Finding]:
    events = weights.effective_events
    if not log.is_binary or events >= rules.weak_events:
        return []
    verdict: Verdict = "weak" if events >= rules.min_events else "not credible"
    return [
        (
            verdict,
            f"it rests on few rewards: weighted to the target, the {log.reward.sum():,.0f} rows "
            f"with {log.columns.reward} are worth {events:.1f}; log for longer",
        )
    ]


def _check_support(log: Log, weights: Weights, rules: WeightRules) -> list[Finding]:
    share = weights.unsupported_share
    if share is None or share < rules.weak_unsupported:
        return []
    text = (
        f"{share:.1%} of the target's mass is on actions that were never logged where it plays them"
    )
    is_certain = weights.certain_share >= rules.weak_unsupported
    if is_certain:
        rows = int(_is_certain(log).sum())
        text += (
            f" ({rows:,} of {log.n:,} rows have the propensity 1: nothing else could stand there)"
        )
    elif (
        weights.mean_low <= 1 <= weights.mean_high and weights.mean_high - share < weights.mean_low
    ):
        return [("credible", f"{text}, by chance it seems: the weights still average 1")]
    verdict: Verdict = "not credible" if share > rules.max_unsupported else "weak"
    return [
        (
            verdict,
            f"{text}: ips counts nothing for them, snips takes them for average and dm, dr and "
            "dros guess; explore those actions, or leave them out of the target",
        )
    ]


def _check_mean(log: Log, weights: Weights) -> list[Finding]:
    """Weights average the share of the target that is supported, if the propensities are right."""
    lowest = 1 - (weights.unsupported_share or 0.0)
    if log.is_estimated or (weights.mean_high >= lowest and weights.mean_low <= 1):
        return []
    return [
        (
            "not credible",
            f"the propensities do not fit the log: the weights average {weights.mean_weight:.3f} "
            f"({weights.mean_low:.3f} to {weights.mean_high:.3f}), they should average 1; is the "
            "column the chance of the logged action under the policy that logged it, and is the "
            "number of actions right?",
        )
    ]


def _check_variation(log: Log) -> list[Finding]:
    if (log.propensity < 1).any():
        return []
    return [
        (
            "not credible",
            "every propensity is 1: the log never tried another action, so what others would have "
            "brought was not seen; log some exploration",
        )
    ]
