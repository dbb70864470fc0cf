"""Verdicts: what an estimate's own data says against it, in words.

credible       nothing was found against it
weak           something was found that a careful reader should weigh
not credible   the number does not answer the question; it is shown, and marked
no result      there is no number
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.intervals import Interval
from tasks.effects.plr import Fit, robustness_value
from tasks.platform.numbers import tell_signed

Verdict = Literal["credible", "weak", "not credible", "no result"]
Finding = tuple[Verdict, str]
ORDER: tuple[Verdict, ...] = ("credible", "weak", "not credible", "no result")


@dataclass(frozen=True)
class Rules:
    """Thresholds of the verdict.

    `weak_variance_left`, `min_variance_left`: share of a treatment's variance that controls must
    leave. `weak_clusters`, `min_clusters`: effective clusters that carry the treatment.
    `min_robustness`: an effect that an unobserved confounder explaining less than this share of the
    residual variance of treatment and outcome would cancel is weak. `rows_per_column`: rows per
    column of the regressions.
    """

    weak_variance_left: float = 0.10
    min_variance_left: float = 0.01
    weak_clusters: float = 10.0
    min_clusters: float = 3.0
    min_robustness: float = 0.02
    rows_per_column: float = 5.0


def decide_verdict(findings: Iterable[Finding]) -> tuple[Verdict, list[str]]:
    """The worst verdict among the findings ("credible" ones only inform), and all reasons."""
    listed = list(findings)
    worst = max((verdict for verdict, _ in listed), key=ORDER.index, default=ORDER[0])
    ordered = sorted(listed, key=lambda finding: -ORDER.index(finding[0]))
    return worst, list(dict.fromkeys(reason for _, reason in ordered))


def weigh_row(row: dict[str, Any], findings: Iterable[Finding]) -> dict[str, Any]:
    """`row` (estimate, verdict, reasons) with further findings; one without a number stays as it is."""
    if row["estimate"] is None:
        return row
    own: list[Finding] = [(row["verdict"], reason) for reason in row["reasons"]]
    verdict, reasons = decide_verdict([(row["verdict"], ""), *own, *findings])
    return row | {"verdict": verdict, "reasons": [reason for reason in reasons if reason]}


def check_fit(
    fit: Fit, weights: FloatArray, interval: Interval, *, n_columns: int, rules: Rules
) -> list[Finding]:
    """What the fit itself says against one contrast."""
    return [
        *_check_overlap(fit, weights, rules),
        *_check_clusters(fit, weights, rules),
        *_check_robustness(fit, weights, interval, rules),
        *_check_rows(fit, n_columns, rules),
    ]


def check_naive(interval: Interval, naive: Interval) -> list[Finding]:
    """How far the naive figure is off: information, no failure."""
    if interval.ci_low <= naive.estimate <= interval.ci_high:
        return []
    side = "above" if naive.estimate > interval.ci_high else "below"
    return [
        (
            "credible",
            f"the naive difference {tell_signed(naive.estimate)} lies {side} the interval: "
            "part of it is due to what is adjusted for",
        )
    ]


def check_discovery(interval: Interval, q_value: float, *, confidence: float) -> list[Finding]:
    """Whether a non-zero effect survives the count of estimands beside it."""
    is_found = interval.ci_low > 0 or interval.ci_high < 0
    if not is_found or q_value <= 1 - confidence:
        return []
    return [
        (
            "weak",
            f"the interval excludes 0, but among all effects estimated here it may be a chance "
            f"find (false-discovery q = {q_value:.2f})",
        )
    ]


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """Benjamini & Hochberg (1995) step-up q values, in the order given."""
    count = len(p_values)
    if count == 0:
        return []
    p = np.asarray(p_values)
    order = np.argsort(p)
    raw = p[order] * count / np.arange(1, count + 1)
    stepped = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    q = np.empty(count)
    q[order] = stepped
    return [float(value) for value in q]


def _check_overlap(fit: Fit, weights: FloatArray, rules: Rules) -> list[Finding]:
    left = float(fit.variance_left[weights != 0].min())
    if left >= rules.weak_variance_left:
        return []
    verdict: Verdict = "weak" if left >= rules.min_variance_left else "not credible"
    return [
        (
            verdict,
            f"the controls predict the treatment almost wholly: only {left:.1%} of its variance is "
            "left to learn from",
        )
    ]


def _check_clusters(fit: Fit, weights: FloatArray, rules: Rules) -> list[Finding]:
    carried = float(fit.effective_clusters[weights != 0].min())
    if carried >= rules.weak_clusters:
        return []
    verdict: Verdict = "weak" if carried >= rules.min_clusters else "not credible"
    return [(verdict, f"it rests on few users, as if on {carried:.1f} equal groups of them")]


def _check_robustness(
    fit: Fit, weights: FloatArray, interval: Interval, rules: Rules
) -> list[Finding]:
    is_found = interval.ci_low > 0 or interval.ci_high < 0
    value = robustness_value(fit, weights)
    if not is_found or value >= rules.min_robustness:
        return []
    return [
        (
            "weak",
            f"an unobserved confounder explaining {value:.1%} of what is left of treatment and "
            "outcome would bring it to 0",
        )
    ]


def _check_rows(fit: Fit, n_columns: int, rules: Rules) -> list[Finding]:
    if fit.n >= rules.rows_per_column * n_columns:
        return []
    return [("weak", f"{fit.n:,} rows for {n_columns} columns of controls and treatments")]
