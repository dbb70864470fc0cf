"""Linear answers: partially linear regression, and the estimators of experiments."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.effects import credibility
from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.experiment import estimate_cuped, estimate_lin, estimate_means
from tasks.effects.intervals import Interval, t_quantile
from tasks.effects.learned.smooth import widen_controls
from tasks.effects.naive import estimate_naive_rows
from tasks.effects.plr import Fit, robustness_value
from tasks.effects.plr_rows import average_fits, fit_rows
from tasks.effects.ridge import fit_ridge_arm
from tasks.effects.table.answer import Answer, Options
from tasks.effects.table.question import Question
from tasks.platform.errors import EstimationError
from tasks.platform.numbers import tell_signed

REPEAT_ROWS: Final = 5_000
REPEATS: Final = 5
"""Small tables are split into folds several times, and averaged: one split is a lottery there."""
MIN_ARM_ROWS: Final = 10
ONE: Final = np.ones(1)
_PLR_NOTE: Final = (
    "counts rows by how open their treatment was: it is the average effect when the effect is "
    "much the same for all"
)


def fit_naive(question: Question) -> Fit:
    """The outcome on the treatment alone, in the question's scaled units."""
    columns = np.column_stack([question.treatment, question.outcome])
    return estimate_naive_rows(columns, question.cluster, treatments=("treatment",))


def find_wide_controls(question: Question) -> FloatArray:
    """The controls (n, p + w) with those of their bends that treatment or outcome follow besides."""
    if "wide" not in question.memo:
        question.memo["wide"] = widen_controls(
            question.features, question.controls, question.outcome, question.treatment
        )
    wide: FloatArray = question.memo["wide"]
    return wide


def fit_plr(
    question: Question,
    options: Options,
    *,
    treatment: FloatArray | None = None,
    outcome: FloatArray | None = None,
    controls: FloatArray | None = None,
    repeats: int | None = None,
) -> Fit:
    """Partially linear regression, in the question's scaled units.

    `treatment`, `outcome` (n,) and `controls` (n, p) stand in for the question's own, which are its
    controls and their bends (`find_wide_controls`).
    """
    design = np.column_stack(
        [
            np.ones(question.n),
            find_wide_controls(question) if controls is None else controls,
            question.treatment if treatment is None else treatment,
            question.outcome if outcome is None else outcome,
        ]
    )
    times = repeats or (REPEATS if question.n <= REPEAT_ROWS else 1)
    fits = [
        fit_rows(
            design,
            n_treatments=1,
            cluster=question.cluster,
            fold_of_cluster=question.deal_folds(salt=f"{repeat}:" if repeat else ""),
            folds=question.folds,
            treatments=("treatment",),
            penalty=options.penalty,
        )
        for repeat in range(times)
    ]
    return average_fits(fits)


def answer_plr(question: Question, options: Options) -> Answer:
    """One effect for all rows, given the controls."""
    fit = fit_plr(question, options)
    width = 2 + find_wide_controls(question).shape[1]
    return conclude_fit(question, fit, options, name="plr", n_columns=width)


def conclude_fit(
    question: Question, fit: Fit, options: Options, *, name: str, n_columns: int
) -> Answer:
    """The answer of a partially linear `fit` by the estimator called `name`, of so many columns."""
    interval = fit.interval(ONE, confidence=options.confidence)
    findings = credibility.check_fit(fit, ONE, interval, n_columns=n_columns, rules=options.rules)
    value = robustness_value(fit, ONE)
    note = (
        f"an unobserved confounder explaining {value:.1%} of what controls leave of treatment and "
        f"outcome would bring {name} to 0"
    )
    if not options.is_experiment:
        findings.append(("credible", note))
    sameness = measure_sameness(question, fit, options)
    if sameness is not None:
        findings.append(_check_sameness(question, sameness, interval, name))
    details = {
        "robustness_value": value,
        "average_reach": None if sameness is None else sameness.reach * question.unit,
    }
    return Answer(question.scale(interval), tuple(findings), details=details)


def answer_diff(question: Question, options: Options) -> Answer:
    """The naive difference, or the slope of a numeric treatment: nothing is adjusted for."""
    if question.is_treated is None:
        interval = fit_naive(question).interval(ONE, confidence=options.confidence)
        return Answer(question.scale(interval), ())
    interval = estimate_means(
        question.raw_outcome, question.arms, question.cluster, confidence=options.confidence
    )
    return Answer(question.per_unit(interval), ())


def answer_lin(question: Question, options: Options) -> Answer:
    """A randomised difference, adjusted within each arm."""
    _check_width(question)
    interval = estimate_lin(
        question.raw_outcome,
        question.arms,
        question.controls,
        question.cluster,
        weights=target_weights(question.arms, options),
        confidence=options.confidence,
    )
    return Answer(question.per_unit(interval), ())


def answer_cuped(question: Question, options: Options) -> Answer:
    """A randomised difference of the outcome less what covariates predict of it."""
    _check_width(question)
    interval = estimate_cuped(
        question.raw_outcome, question.arms, question.controls, question.cluster,
        confidence=options.confidence,
    )  # fmt: skip
    return Answer(question.per_unit(interval), ())


def target_weights(is_treated: NDArray[np.int64], options: Options) -> FloatArray:
    """Weight (n,) of each row in the population that the estimand averages over."""
    if options.estimand == "ate":
        return np.ones(len(is_treated))
    weights: FloatArray = (is_treated == (options.estimand == "att")).astype(np.float64)
    return weights


def impute_average(question: Question, *, penalty: float) -> tuple[float, FloatArray] | None:
    """Mean difference of two out-of-fold ridge predictions, one fitted on each arm.

    In the question's scaled units, with the influence (G,) of each cluster on it. It is a check and
    no estimate: it leans on the model where an arm has no rows. None without controls, for more
    than two values of the treatment, or when an arm is too thin for the fit.
    """
    if question.is_treated is None or question.controls.shape[1] == 0:
        return None
    x = np.column_stack([np.ones(question.n), find_wide_controls(question)])
    fold = question.deal_folds()[question.cluster]
    gap, pull = np.zeros(question.n), np.zeros(question.n)
    for arm, sign in ((1, 1.0), (0, -1.0)):
        is_arm = question.is_treated == arm
        for k in range(question.folds):
            rows, held = is_arm & (fold != k), fold == k
            if rows.sum() < MIN_ARM_ROWS:
                return None
            predicted, leverage = fit_ridge_arm(
                x, question.outcome, rows, target=x.mean(axis=0), penalty=max(penalty, 1e-6)
            )
            gap[held] += sign * predicted[held]
            error = np.where(is_arm & held, question.outcome - predicted, 0.0)
            pull += sign * leverage * error
    step = float(np.ptp(question.treatment))
    influence = np.bincount(question.cluster, weights=pull, minlength=len(question.clusters))
    return float(gap.mean()) / step, influence / step


def _check_width(question: Question) -> None:
    smaller = int(min(question.arms.sum(), question.n - question.arms.sum()))
    width = question.controls.shape[1] + 1
    if smaller < 2 * width:
        raise EstimationError(
            f"{width} covariate columns for {smaller} rows in the smaller arm; name fewer covariates"
        )


@dataclass(frozen=True)
class Sameness:
    """An average of rows' own effects, and how far chance alone takes it from one effect for all.

    Both in the question's scaled units.
    """

    average: float
    reach: float


def measure_sameness(question: Question, fit: Fit, options: Options) -> Sameness | None:
    """How far a fit and an average of rows' own effects may be apart; None where that is not known."""
    penalty = 1.0 if options.penalty == "auto" else options.penalty
    found = impute_average(question, penalty=penalty)
    if found is None:
        return None
    average, influence = found
    error = float(np.sqrt(((influence - fit.influence[:, 0]) ** 2).sum()))
    return Sameness(average, t_quantile(fit.degrees(ONE), options.confidence) * error)


def _check_sameness(question: Question, found: Sameness, interval: Interval, name: str) -> Finding:
    """Whether one effect for all rows will do: `interval` against an average of rows' own effects."""
    is_apart = abs(found.average - interval.estimate) > found.reach
    is_outside = not interval.ci_low <= found.average <= interval.ci_high
    told = tell_signed(found.average * question.unit)
    note = f"{name} {_PLR_NOTE}; a model of each arm puts the average at {told}"
    return ("weak" if is_apart and is_outside else "credible", note)


def interval_or_none(interval: Interval | None) -> dict[str, float | None]:
    """The numbers of an interval, each None where there is none."""
    names = ("estimate", "std_error", "ci_low", "ci_high", "p_value")
    return {name: None if interval is None else getattr(interval, name) for name in names}
