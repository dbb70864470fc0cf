"""How far a window's effects moved since an earlier night, and how sure that is.

The windows of two nights share nearly all of their reviews, so that their estimates err together:
two intervals side by side say nothing of the difference. Both estimates are made here from the
same moments under the same control basis; they differ by the rows gained and lost, and by nothing
else. Each comes with the influence of every bucket of users (`plr.Fit.influence`: what leaving the
bucket out moves the estimate by), and what leaving it out moves the *difference* by is the
difference of the two. Its jackknife variance is therefore

    Var(now - before) = sum over buckets of (influence_now - influence_before)^2,

in which everything that the nights share cancels, and what one user wrote on either night stays
together. With windows that share nothing it is the sum of the two variances; for a window that
only grows it is close to V_before - V_now, the variance of the difference between an efficient
estimate and one from part of its data (Hausman 1978, "Specification tests in econometrics", lemma
2.1), without that difference's habit of coming out negative. Nuisances are held fixed, as in the
estimates' own intervals: theirs are products of small errors.

Few rows are new after one night. The t quantile counts the buckets that mention the attribute in
rows gained or lost, (sum of a)^2 / sum of a^2 over their mentions a, less one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.effects import credibility
from tasks.effects.basis import FloatArray
from tasks.effects.estimate import (
    HEADLINE,
    Method,
    Row,
    Window,
    contrast_weights,
    list_controls,
    screen_treatments,
)
from tasks.effects.intervals import Interval, make_interval
from tasks.effects.moments import Moments, sum_moments
from tasks.effects.panel import treatment_names
from tasks.effects.plr import Fit, solve_residuals
from tasks.effects.ridge import locate
from tasks.platform.errors import EstimationError


@dataclass(frozen=True, eq=False)
class Batches:
    """Moments of one window's batches on two nights; `gained` and `lost` are in one of them only."""

    now: Sequence[Moments]
    before: Sequence[Moments]
    gained: Sequence[Moments]
    lost: Sequence[Moments]


def compare_windows(
    batches: Batches,
    *,
    window: Window,
    attributes: Sequence[str],
    outcome: str,
    method: Method,
) -> list[Row]:
    """Change of every attribute's headline effect that has an estimate on both nights.

    Keys of a row: source, window, outcome, attribute, contrast, estimate (now), recomputed (the
    earlier night's, from today's moments), change (their difference), std_error, ci_low, ci_high,
    p_value (of the change), n_gained, n_lost (rows), mentions_gained, mentions_lost; q_value is
    None until `add_change_q_values`. `window` is today's.
    """
    if not batches.now or not batches.before:
        return []
    now, before = sum_moments(batches.now), sum_moments(batches.before)
    fits = [_fit(moments, attributes, outcome, method) for moments in (now, before)]
    rows = []
    for attribute in attributes:
        wanted = contrast_weights(attribute, HEADLINE)
        if any(fit is None or not set(wanted) <= set(fit.treatments) for fit in fits):
            continue
        own = [fit for fit in fits if fit is not None]
        gained, lost = (_count(part, wanted) for part in (batches.gained, batches.lost))
        interval = find_change(
            own[0], own[1], wanted, mentions=gained + lost, confidence=method.confidence
        )
        rows.append(
            {
                "source": window.source, "window": window.name, "outcome": outcome,
                "attribute": attribute, "contrast": HEADLINE,
                "estimate": float(own[0].weights(wanted) @ own[0].theta),
                "recomputed": float(own[1].weights(wanted) @ own[1].theta),
                "change": interval.estimate, "std_error": interval.std_error,
                "ci_low": interval.ci_low, "ci_high": interval.ci_high,
                "p_value": interval.p_value, "q_value": None,
                "n_gained": sum(part.n for part in batches.gained),
                "n_lost": sum(part.n for part in batches.lost),
                "mentions_gained": round(float(gained.sum())),
                "mentions_lost": round(float(lost.sum())),
            }
        )  # fmt: skip
    return rows


def find_change(
    now: Fit, before: Fit, wanted: dict[str, float], *, mentions: FloatArray, confidence: float
) -> Interval:
    """Change of one contrast with its interval; `mentions` (B,) of it in rows gained or lost."""
    weights = [fit.weights(wanted) for fit in (now, before)]
    change = float(weights[0] @ now.theta - weights[1] @ before.theta)
    moved = now.influence @ weights[0] - before.influence @ weights[1]
    error = float(np.sqrt((moved**2).sum()))
    carried = float(mentions.sum() ** 2 / max((mentions**2).sum(), 1.0))
    degrees = max(min(carried, float(now.clusters)) - 1.0, 1.0)
    return make_interval(change, error, degrees=degrees, confidence=confidence)


def add_change_q_values(rows: Sequence[Row]) -> list[Row]:
    """`rows` with false-discovery q values over all changes of the night."""
    q_values = credibility.adjust_p_values([row["p_value"] for row in rows])
    return [{**row, "q_value": q} for row, q in zip(rows, q_values, strict=True)]


def _fit(moments: Moments, attributes: Sequence[str], outcome: str, method: Method) -> Fit | None:
    """The fit behind a window's rows, None where nothing can be estimated."""
    treatments = treatment_names(attributes)
    controls = list_controls(moments.columns, attributes, outcome)
    try:
        screening = screen_treatments(moments, treatments, outcome, controls, method)
        return None if screening.residuals is None else solve_residuals(screening.residuals)
    except EstimationError:
        return None


def _count(batches: Sequence[Moments], wanted: dict[str, float]) -> FloatArray:
    """Mentions of a contrast's sides in each bucket, shape (B,); one zero without batches."""
    counts: FloatArray = np.zeros(1)
    for moments in batches:
        at = locate(moments.columns, list(wanted))
        counts = counts + moments.grams[:, at, at].sum(axis=1)
    return counts
