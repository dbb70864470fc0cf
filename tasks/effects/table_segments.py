"""Effects in segments of a table, and a test of whether they differ."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.answer import Options
from tasks.effects.answer_flexible import learn
from tasks.effects.answer_linear import MIN_ARM_ROWS, interval_or_none
from tasks.effects.intervals import make_interval
from tasks.effects.irm import CLIP, put_together, score_irm
from tasks.effects.moments import IntArray
from tasks.effects.nuisance import Nuisances
from tasks.effects.plr_rows import assign_folds
from tasks.effects.question import Question
from tasks.effects.segments import (
    SegmentedContrast,
    SegmentEffect,
    check_equality,
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
    """The effect in every level of `values` (rows of the table that came in).

    The partially linear one (plr) where the effect on all rows is asked for, doubly robust averages
    (irm) of the treated or the untreated of each level where that is. Keys: segment, estimator,
    estimand, levels [{level, n, estimate, std_error, ci_low, ci_high, p_value, reason}],
    heterogeneity {statistic, p_value} or None, reason. The segment's own dummies are added to the
    controls, so that levels that differ in outcome or treatment confound nothing.
    """
    own = values[question.row.tolist()]
    levels = choose_levels(own, max_levels=max_levels)
    codes = encode_levels(own, levels)
    dummies = np.eye(len(levels))[codes]
    dummies = dummies[:, dummies.any(axis=0)][:, 1:]
    widened = replace(
        question, controls=np.column_stack([question.controls, dummies]),
        features=np.column_stack([question.features, dummies]), memo={},
    )  # fmt: skip
    is_linear = options.estimand == "ate"
    estimate = _fit_lines if is_linear else _average_scores
    found = estimate(widened, options, codes, levels)
    test = found.heterogeneity
    return {
        "segment": values.name,
        "estimator": "plr" if is_linear else "irm",
        "estimand": options.estimand,
        "levels": [
            {
                "level": effect.level,
                "n": effect.n,
                **interval_or_none(effect.interval),
                "reason": effect.reason,
            }
            for effect in found.effects
            if effect.n
        ],
        "heterogeneity": test and {"statistic": test.statistic, "p_value": test.p_value},
        "reason": describe_heterogeneity(values.name, test.p_value if test else None),
    }


def _fit_lines(
    question: Question, options: Options, codes: IntArray, levels: Sequence[str]
) -> SegmentedContrast:
    """Partially linear effects by level; `codes` (n,) are positions among `levels`."""
    controls = question.controls
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
    effects = [
        replace(effect, interval=effect.interval and question.scale(effect.interval))
        for effect in found.effects
    ]
    return replace(found, effects=tuple(effects))


def _average_scores(
    question: Question, options: Options, codes: IntArray, levels: Sequence[str]
) -> SegmentedContrast:
    """Doubly robust averages by level, all by the same cross-fitted predictions."""
    splits = learn(question, options)
    effects, thetas, influences = [], [], []
    for code, level in enumerate(levels):
        rows = np.flatnonzero(codes == code)
        arm = int(min(question.arms[rows].sum(), (1 - question.arms[rows]).sum()))
        if arm < MIN_ARM_ROWS:
            reason = f"{arm} rows in the smaller arm; {MIN_ARM_ROWS} are needed"
            effects.append(SegmentEffect(level, len(rows), None, reason))
            continue
        own = [_take(one, rows) for one in splits]
        outcome, arms = question.raw_outcome[rows], question.arms[rows]
        scores = [score_irm(one, outcome, arms, estimand=options.estimand) for one in own]
        fit = put_together(scores, own, question.cluster[rows], options.estimand, CLIP)
        interval = make_interval(
            fit.estimate, fit.std_error, degrees=max(fit.clusters - 1, 1),
            confidence=options.confidence,
        )  # fmt: skip
        effects.append(SegmentEffect(level, len(rows), question.per_unit(interval), None))
        thetas.append(fit.estimate)
        influences.append(
            np.bincount(
                question.cluster[rows], weights=fit.influence, minlength=len(question.clusters)
            )
        )
    test = check_equality(np.array(thetas), np.array(influences))
    return SegmentedContrast(tuple(effects), test)


def _take(nuisances: Nuisances, rows: IntArray) -> Nuisances:
    """The predictions of some rows."""
    return replace(
        nuisances,
        untreated=nuisances.untreated[rows],
        treated=nuisances.treated[rows],
        propensity=nuisances.propensity[rows],
        effects={name: effect[rows] for name, effect in nuisances.effects.items()},
        columns=None,
    )


def describe_heterogeneity(segment: str, p_value: float | None) -> str:
    """What the test says, in words."""
    if p_value is None:
        return f"effects by {segment} cannot be compared: fewer than two levels have one"
    if p_value < _DIFFERS:
        return f"effects differ by {segment} (p = {p_value:.2g})"
    return f"effects by {segment} differ no more than chance would have them (p = {p_value:.2g})"
