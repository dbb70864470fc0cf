"""A flexible second opinion where none was asked, of all rows or of some drawn at random.

Estimators with learners take minutes on large tables, and what they would have seen (a control whose
numbers are codes, confounding by two controls together) shows in some thousand rows too.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.intervals import Interval
from tasks.effects.moments import IntArray
from tasks.effects.table.answer import Answer, Options
from tasks.effects.table.dml import measure_shift
from tasks.effects.table.flexible import answer_balance
from tasks.effects.table.linear import MIN_ARM_ROWS
from tasks.effects.table.question import Question, ask
from tasks.platform.errors import EstimationError
from tasks.platform.numbers import tell_estimate

SAMPLE_ROWS: Final = 5_000
LEARNED: Final = ("ipw",)
"""Estimators that are checked and have learned of the controls themselves."""


def draw_rows(frame: pl.DataFrame, cluster: str | None, *, size: int, seed: int) -> IntArray:
    """At most `size` rows at random, sorted, shape (m,); whole clusters, the last drawn in part.

    Rows without a cluster are left out, as every answer leaves them out.
    """
    rng = np.random.default_rng(seed)
    if cluster is None:
        return np.sort(rng.permutation(frame.height)[:size])
    known = np.flatnonzero(frame[cluster].is_not_null().to_numpy())
    codes = frame[cluster].drop_nulls().rank("dense").cast(pl.Int64).to_numpy()
    place = rng.permutation(int(codes.max()) + 1)[codes] if len(codes) else codes
    drawn = np.lexsort((rng.random(len(codes)), place))[:size]
    return np.sort(known[drawn])


def check_sample(
    question: Question,
    frame: pl.DataFrame,
    main: Answer,
    options: Options,
    *,
    name: str,
    **asked: Any,
) -> list[Finding]:
    """Whether learners of the controls agree with `main`, the answer of the estimator `name`.

    `asked` are the arguments of `question.ask` that made `question` of `frame`. Two values of a
    treatment are compared by balancing weights and outcome models; for others see `_check_slope`.
    Where the sample cannot answer (an arm is too thin there, or nothing varies) it is not heard. What
    `name` learned of the same rows is not learned again; else they are dealt into folds once. Rows
    drawn of a larger table do not tell whether one effect for all will do where all of them cannot.
    """
    if name not in LEARNED:
        options = replace(options, repeats=1)
    blind = _check_reach(question, main, name) if frame.height > SAMPLE_ROWS else []
    try:
        sample = _sample(question, frame, options, **asked)
        if sample.is_treated is None:
            return _check_slope(sample, main.interval, options, name)
        if np.bincount(sample.arms, minlength=2).min() < MIN_ARM_ROWS:
            return blind
        found = answer_balance(sample, options).interval
    except EstimationError:
        return blind
    told, interval = f"balance on {_tell_rows(sample)}", main.interval
    if found.ci_low > interval.ci_high or found.ci_high < interval.ci_low:
        said = (
            f"{told} disagrees with {name} beyond both intervals: {tell_estimate(vars(found))}; ask "
            f"by --estimators {name},balance,irm, which takes minutes of a large table"
        )
        return [("weak", said)]
    return [*blind, ("credible", f"{told} agrees: {tell_estimate(vars(found))}")]


def _check_reach(question: Question, main: Answer, name: str) -> list[Finding]:
    """Whether all rows can tell one effect for all from an average, within the interval of `main`.

    Where few are treated (or few are not), and those are unlike the rest, they cannot: an effect that
    grows with the chance of treatment is then no other than the same effect for all.
    """
    reach, interval = (main.details or {}).get("average_reach"), main.interval
    half = (interval.ci_high - interval.ci_low) / 2
    if reach is None or reach <= half:
        return []
    n_treated = int(question.arms.sum())
    few = min((n_treated, "treated"), (question.n - n_treated, "untreated"))
    said = (
        f"{name} takes the effect to be the same for all rows, and {few[0]:,} {few[1]} rows cannot tell: "
        f"the average over all may lie {reach:.2g} to either side as far as they say, and the "
        f"interval reaches {half:.2g}; ask by --estimators {name},balance,irm, which takes minutes of a large table"
    )
    return [("weak", said)]


def _sample(
    question: Question,
    frame: pl.DataFrame,
    options: Options,
    *,
    cluster: str | None,
    vectors: Mapping[str, FloatArray] | None,
    **asked: Any,
) -> Question:
    """The question asked of some rows, or itself where it is of no more."""
    if frame.height <= SAMPLE_ROWS:
        return question
    own = draw_rows(frame[question.row], cluster, size=SAMPLE_ROWS, seed=options.seed)
    rows = question.row[own]
    parts = None if vectors is None else {key: part[rows] for key, part in vectors.items()}
    return ask(frame[rows], cluster=cluster, vectors=parts, **asked)


def _check_slope(sample: Question, main: Interval, options: Options, name: str) -> list[Finding]:
    """Whether learners move the slope of the same rows, and by how much that moves `main`."""
    shift = measure_shift(sample, options)
    moved = main.estimate + shift.gap * sample.unit
    told = f"dml on {_tell_rows(sample)}"
    if not shift.is_real or main.ci_low <= moved <= main.ci_high:
        return [("credible", f"{told} agrees: it would move {name} to {moved:.4g}")]
    said = (
        f"{told} moves {name} to {moved:.4g}, beyond its interval and beyond chance: controls bend, or "
        f"do together, what {name} does not take out; ask by --estimators {name},dml"
    )
    return [("weak", said)]


def _tell_rows(sample: Question) -> str:
    return f"{sample.n:,} rows drawn at random" if sample.n >= SAMPLE_ROWS else "the same rows"
