"""Effects in segments of a table, and a test of whether they differ."""

from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.answer import Options
from tasks.effects.answer_linear import interval_or_none
from tasks.effects.plr import assign_folds
from tasks.effects.question import Question
from tasks.effects.segments import (
    choose_levels,
    encode_levels,
    estimate_segments,
    split_moments,
)

MAX_BUCKETS: Final = 200
_NAME: Final = "treatment"
_DIFFERS: Final = 0.05


def estimate_table_segments(
    question: Question, options: Options, values: pl.Series, *, max_levels: int = 10
) -> dict[str, Any]:
    """The partially linear effect in every level of `values` (rows of the table that came in).

    Keys: segment, levels [{level, n, estimate, std_error, ci_low, ci_high, p_value, reason}],
    heterogeneity {statistic, p_value} or None, reason. The segment's own dummies are added to the
    controls, so that levels that differ in outcome or treatment confound nothing.
    """
    own = values[question.row.tolist()]
    levels = choose_levels(own, max_levels=max_levels)
    codes = encode_levels(own, levels)
    dummies = np.eye(len(levels))[codes]
    dummies = dummies[:, dummies.any(axis=0)][:, 1:]
    controls = np.column_stack([question.controls, dummies])
    names = [f"control {i}" for i in range(controls.shape[1])]
    n_buckets = max(min(len(question.clusters), MAX_BUCKETS), question.folds)
    bucket = assign_folds(question.clusters, n_buckets)[question.cluster]
    design = np.column_stack([np.ones(question.n), controls, question.treatment, question.outcome])
    moments = split_moments(
        design, bucket, codes, columns=("1", *names, _NAME, "outcome"), levels=levels,
        n_buckets=n_buckets,
    )  # fmt: skip
    fits = estimate_segments(
        moments, treatments=(_NAME,), outcome="outcome", controls=names, folds=question.folds,
        penalty=options.penalty,
    )  # fmt: skip
    found = fits.compare({_NAME: 1.0}, confidence=options.confidence)
    test = found.heterogeneity
    return {
        "segment": values.name,
        "levels": [
            {
                "level": effect.level,
                "n": effect.n,
                **interval_or_none(question.scale(effect.interval) if effect.interval else None),
                "reason": effect.reason,
            }
            for effect in found.effects
            if effect.n
        ],
        "heterogeneity": test and {"statistic": test.statistic, "p_value": test.p_value},
        "reason": describe_heterogeneity(values.name, test.p_value if test else None),
    }


def describe_heterogeneity(segment: str, p_value: float | None) -> str:
    """What the test says, in words."""
    if p_value is None:
        return f"effects by {segment} cannot be compared: fewer than two levels have one"
    if p_value < _DIFFERS:
        return f"effects differ by {segment} (p = {p_value:.2g})"
    return f"effects by {segment} differ no more than chance would have them (p = {p_value:.2g})"
