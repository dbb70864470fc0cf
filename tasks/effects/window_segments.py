"""Headline effects of a window by segment, as rows to publish, with a test of heterogeneity."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tasks.effects.credibility import adjust_p_values
from tasks.effects.estimate import (
    HEADLINE,
    Method,
    Row,
    contrast_weights,
    count_mentions,
    list_controls,
)
from tasks.effects.panel import treatment_names
from tasks.effects.segments import SegmentedContrast, SegmentMoments, estimate_segments
from tasks.platform.errors import EstimationError

MIN_LEVEL_MENTIONS: Final = 10
"""Mentions on each side, below which a segment has no estimate."""


def estimate_window_segments(
    segments: SegmentMoments,
    *,
    source: str,
    window: str,
    segment: str,
    attributes: Sequence[str],
    outcome: str,
    method: Method,
) -> list[Row]:
    """Every attribute's headline effect in each level of `segment`.

    Keys: source, window, segment, attribute, level, estimate, ci_low, ci_high, n, reason, p_value
    (of the test that all levels share one effect, the same on every row of an attribute) and
    q_value (the same, over the attributes here).
    """
    pooled = segments.pooled
    treatments = treatment_names(attributes)
    counts = count_mentions(pooled, treatments)
    usable = [name for name in treatments if method.min_mentions <= counts[name] < pooled.n]
    rare = [name for name in treatments if name not in usable and 0 < counts[name] < pooled.n]
    whole = [a for a in attributes if set(treatment_names([a])) <= set(usable)]
    if not whole:
        return []
    try:
        fits = estimate_segments(
            segments, treatments=usable, outcome=outcome, folds=method.folds,
            controls=[*list_controls(pooled.columns, attributes, outcome), *rare],
            penalty=method.penalty,
        )  # fmt: skip
    except EstimationError:
        return []
    found = {
        a: fits.compare(contrast_weights(a, HEADLINE), confidence=method.confidence) for a in whole
    }
    q_values = adjust_heterogeneity(found)
    head = {"source": source, "window": window, "segment": segment}
    return [
        head | {"attribute": name, "q_value": q_values.get(name)} | row
        for name, contrast in found.items()
        for row in _show_levels(name, contrast, segments)
    ]


def adjust_heterogeneity(found: dict[str, SegmentedContrast]) -> dict[str, float]:
    """False-discovery q value of each attribute's test, where there is one."""
    tested = {name: one.heterogeneity.p_value for name, one in found.items() if one.heterogeneity}
    return dict(zip(tested, adjust_p_values(list(tested.values())), strict=True))


def _show_levels(name: str, contrast: SegmentedContrast, segments: SegmentMoments) -> list[Row]:
    test = contrast.heterogeneity
    rows = []
    for effect in contrast.effects:
        if effect.n == 0:
            continue
        counts = count_mentions(segments.of_level(effect.level), treatment_names([name]))
        is_thin = min(counts.values()) < MIN_LEVEL_MENTIONS
        interval = None if is_thin else effect.interval
        reason = effect.reason
        if is_thin:
            reason = f"fewer than {MIN_LEVEL_MENTIONS} mentions on a side"
        rows.append(
            {
                "level": effect.level,
                "n": effect.n,
                "estimate": interval.estimate if interval else None,
                "ci_low": interval.ci_low if interval else None,
                "ci_high": interval.ci_high if interval else None,
                "reason": reason,
                "p_value": test.p_value if test and np.isfinite(test.p_value) else None,
            }
        )
    return rows
