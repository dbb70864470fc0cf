"""Effects in segments of a table, and a test of whether they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.effects.intervals import make_interval
from tasks.effects.learned.irm import CLIP, put_together, score_irm
from tasks.effects.learned.nuisance import Nuisances
from tasks.effects.moments import IntArray
from tasks.effects.plr_rows import assign_folds
from tasks.effects.ridge import take_out
from tasks.effects.segments import (
    SegmentedContrast,
    SegmentEffect,
    SegmentFits,
    check_equality,
    choose_levels,
    encode_levels,
    estimate_segments,
    split_moments,
)
from tasks.effects.table.answer import Options
from tasks.effects.table.flexible import learn
from tasks.effects.table.linear import MIN_ARM_ROWS, find_wide_controls, interval_or_none
from tasks.effects.table.question import Question
from tasks.platform.errors import EstimationError
from tasks.platform.numbers import tell_estimate

MAX_BUCKETS: Final = 200
_NAME: Final = "treatment"
_DIFFERS: Final = 0.05
_TOLD: Final = 1e-6
_AVERAGES: Final = ("balance", "irm", "forest")
"""Estimators of averages that stand on learners; ipw does too, and comes after plr."""


def estimate_table_segments(
    question: Question,
    options: Options,
    values: pl.Series,
    *,
    beside: Mapping[str, Any] | None = None,
    max_levels: int = 10,
) -> dict[str, Any]:
    """The effect in every level of `values` (rows of the table that came in).

    Doubly robust averages of each level (irm) where the answer `beside`, of `estimate_table` on all
    rows, has an average that stands on learners, and of the treated or the untreated always; else
    the partially linear effect (plr). Keys: segment, estimator, estimand, levels [{level, n,
    estimate, std_error, ci_low, ci_high, p_value, reason}], heterogeneity {statistic, p_value} or
    None, reason, which also says where all levels contradict `beside`. The segment's own dummies are
    added to the controls, so that levels that differ in outcome or treatment confound nothing.
    """
    own = values[question.row.tolist()]
    levels = choose_levels(own, max_levels=max_levels)
    codes = encode_levels(own, levels)
    widened = _add_levels(question, codes, len(levels))
    is_average = options.estimand != "ate" or _has_average(beside)
    estimate = _average_scores if is_average else _fit_lines
    found = estimate(widened, options, codes, levels)
    test = found.heterogeneity
    reasons = [
        describe_heterogeneity(values.name, test.p_value if test else None),
        describe_contradiction(found.effects, beside),
    ]
    return {
        "segment": values.name,
        "estimator": "irm" if is_average else "plr",
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
        "reason": "; ".join(reason for reason in reasons if reason),
    }


def _add_levels(question: Question, codes: IntArray, count: int) -> Question:
    """The question with `codes` (n,) of `count` levels among its controls.

    Itself, with all that was learned of it, where its controls tell these levels already.
    """
    dummies = np.eye(count)[codes]
    dummies = dummies[:, dummies.any(axis=0)][:, 1:]
    known = np.column_stack([np.ones(question.n), question.controls])
    if not dummies.size or np.abs(take_out(known, dummies)).max() < _TOLD:
        return question
    return replace(
        question, controls=np.column_stack([question.controls, dummies]),
        features=np.column_stack([question.features, dummies]), memo={},
    )  # fmt: skip


def _has_average(beside: Mapping[str, Any] | None) -> bool:
    """Whether an average that stands on learners was answered: of levels there is the same then."""
    if beside is None:
        return False
    answered = [one["estimator"] for one in beside["estimates"] if one["estimate"] is not None]
    return beside["headline"] == "ipw" or any(name in answered for name in _AVERAGES)


def _fit_lines(
    question: Question, options: Options, codes: IntArray, levels: Sequence[str]
) -> SegmentedContrast:
    """Partially linear effects by level; `codes` (n,) are positions among `levels`.

    Given the controls and their bends, as plr on all rows is.
    """
    controls = find_wide_controls(question)
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
    fits = _refuse_thin(fits, question, codes)
    found = fits.compare({_NAME: 1.0}, confidence=options.confidence)
    effects = [
        replace(effect, interval=effect.interval and question.scale(effect.interval))
        for effect in found.effects
    ]
    return replace(found, effects=tuple(effects))


def _refuse_thin(fits: SegmentFits, question: Question, codes: IntArray) -> SegmentFits:
    """`fits` without the levels in which hardly anybody has one of the treatment's two values."""
    if question.is_treated is None:
        return fits
    refused = {}
    for code, level in enumerate(fits.levels):
        thin = _find_thin(question, codes == code)
        refused[level] = fits.refused[level] or ({_NAME: thin} if thin else {})
    return replace(fits, refused=refused)


def _find_thin(question: Question, rows: NDArray[np.bool_]) -> str | None:
    """Why a level's `rows`, a mask (n,), are too few to compare, None where they are not."""
    arm = int(np.bincount(question.arms[rows], minlength=2).min())
    if arm >= MIN_ARM_ROWS:
        return None
    return f"{arm} rows in the smaller arm; {MIN_ARM_ROWS} are needed"


def _average_scores(
    question: Question, options: Options, codes: IntArray, levels: Sequence[str]
) -> SegmentedContrast:
    """Doubly robust averages by level, all by the same cross-fitted predictions."""
    splits = learn(question, options)
    effects, thetas, influences = [], [], []
    for code, level in enumerate(levels):
        rows = np.flatnonzero(codes == code)
        reason = _find_thin(question, codes == code)
        if reason is not None:
            effects.append(SegmentEffect(level, len(rows), None, reason))
            continue
        own = [_take(one, rows) for one in splits]
        outcome, arms = question.raw_outcome[rows], question.arms[rows]
        scores = [score_irm(one, outcome, arms, estimand=options.estimand) for one in own]
        try:
            fit = put_together(scores, own, question.cluster[rows], options.estimand, CLIP)
        except EstimationError as error:
            effects.append(SegmentEffect(level, len(rows), None, str(error)))
            continue
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


def describe_contradiction(
    effects: Sequence[SegmentEffect], beside: Mapping[str, Any] | None
) -> str:
    """Where all levels lie on one side of the headline of `beside`, intervals apart: that they do."""
    if beside is None:
        return ""
    main = next(
        (one for one in beside["estimates"] if one["estimator"] == beside["headline"]), None
    )
    intervals = [effect.interval for effect in effects if effect.interval]
    if main is None or not intervals:
        return ""
    is_above = all(one.ci_low > main["ci_high"] for one in intervals)
    if not is_above and not all(one.ci_high < main["ci_low"] for one in intervals):
        return ""
    return (
        f"every level lies {'above' if is_above else 'below'} {main['estimator']} on all rows, "
        f"{tell_estimate(main)}, beyond both intervals: they contradict each other, and neither is to be "
        "relied on before it is known why"
    )
