"""One causal question of any table: what does this treatment do to that outcome?

The table fits in memory. Rows without outcome, treatment or cluster are dropped and counted;
missing values of controls have indicator columns of their own. Every cluster counts by itself, and
without a cluster column every row is one. A question that the data cannot answer raises an error,
or comes back with verdict "not credible" and the reason, never as a number that looks fine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.effects import credibility
from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding, Rules
from tasks.effects.naive import estimate_naive_rows
from tasks.effects.overlap import Overlap, check_overlap, fit_propensity, measure_overlap
from tasks.effects.plr import (
    Fit,
    Interval,
    average_fits,
    fit_rows,
    robustness_value,
    solve_ridge,
    t_quantile,
)
from tasks.effects.question import Question, ask
from tasks.platform.errors import ConfigError

Estimand = Literal["ate", "att", "atc"]


THIN_ROWS: Final = 50

REPEAT_ROWS: Final = 5_000
REPEATS: Final = 5
"""Small tables are split into folds several times, and averaged: one split is a lottery there."""
MIN_ARM_ROWS: Final = 10


_ONE: Final = np.ones(1)
_PLR_NOTE: Final = (
    "plr counts rows by how open their treatment was: it is the average effect when the effect is "
    "much the same for all"
)


@dataclass(frozen=True)
class Options:
    """Level of the intervals, ridge penalty, thresholds; `is_experiment`: treatment was random."""

    confidence: float
    penalty: float
    is_experiment: bool
    rules: Rules


@dataclass(frozen=True)
class Answer:
    """One estimator's interval, in the question's scaled units, and what speaks against it."""

    interval: Interval
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Estimator:
    """How to answer, and which estimands it may claim to answer."""

    answer: Callable[[Question, Options], Answer]
    estimands: tuple[Estimand, ...]


def estimate_table(
    frame: pl.DataFrame,
    *,
    outcome: str,
    treatment: str,
    controls: Sequence[str] = (),
    cluster: str | None = None,
    estimators: Sequence[str] = ("plr", "diff"),
    estimand: Estimand = "ate",
    confidence: float = 0.95,
    folds: int = 5,
    penalty: float = 1.0,
    max_levels: int = 20,
    is_experiment: bool = False,
    rules: Rules | None = None,
) -> dict[str, Any]:
    """Answer one question, by each of `estimators`, with the naive difference beside.

    Keys: outcome, treatment, n, naive {estimate, ci_low, ci_high}, estimates [{estimator, estimand,
    estimate, std_error, ci_low, ci_high, n, p_value}], overlap, verdict, reasons. A numeric
    treatment's effect is per unit. `is_experiment` says that the treatment was randomised, so that
    having no controls is no failing.

    Raises ConfigError for contradictory arguments, InputError for columns that are absent or not
    numbers, EstimationError when the data cannot answer.
    """
    chosen = choose_estimators(estimators, estimand)
    options = Options(confidence, penalty, is_experiment, rules or Rules())
    question = ask(
        frame, outcome=outcome, treatment=treatment, controls=controls, cluster=cluster,
        folds=folds, max_levels=max_levels,
    )  # fmt: skip
    naive = question.scale(_naive_fit(question).interval(_ONE, confidence=confidence))
    answers = {name: one.answer(question, options) for name, one in chosen.items()}
    overlap = _measure_overlap(question)
    findings = [finding for answer in answers.values() for finding in answer.findings]
    findings += _check_question(question, overlap, options)
    if "plr" in answers:
        findings += credibility.check_naive(question.scale(answers["plr"].interval), naive)
    verdict, reasons = credibility.decide_verdict(findings)
    return {
        "outcome": outcome,
        "treatment": treatment,
        "n": question.n,
        "naive": {
            "estimate": naive.estimate, "ci_low": naive.ci_low, "ci_high": naive.ci_high,
        },
        "estimates": [
            _show(name, estimand, question.scale(answer.interval), question.n)
            for name, answer in answers.items()
        ],
        "overlap": _show_overlap(question, overlap),
        "verdict": verdict,
        "reasons": [*reasons, *question.notes],
    }  # fmt: skip


def choose_estimators(names: Sequence[str], estimand: Estimand) -> dict[str, Estimator]:
    """The estimators called `names`; raises ConfigError for one that cannot answer `estimand`."""
    unknown = [name for name in names if name not in ESTIMATORS]
    if unknown or not names:
        raise ConfigError(f"estimators {list(names)}: allowed are {', '.join(ESTIMATORS)}")
    mute = [name for name in names if estimand not in ESTIMATORS[name].estimands]
    if mute:
        able = sorted({e for name in names for e in ESTIMATORS[name].estimands})
        raise ConfigError(
            f"{', '.join(mute)} cannot estimate {estimand!r}; allowed with it: {', '.join(able)}"
        )
    return {name: ESTIMATORS[name] for name in dict.fromkeys(names)}


def _naive_fit(question: Question) -> Fit:
    columns = np.column_stack([question.treatment, question.outcome])
    return estimate_naive_rows(columns, question.cluster, treatments=("treatment",))


def _answer_plr(question: Question, options: Options) -> Answer:
    design = np.column_stack(
        [np.ones(question.n), question.controls, question.treatment, question.outcome]
    )
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
        for repeat in range(REPEATS if question.n <= REPEAT_ROWS else 1)
    ]
    fit = average_fits(fits)
    interval = fit.interval(_ONE, confidence=options.confidence)
    findings = credibility.check_fit(
        fit, _ONE, interval, n_columns=2 + question.controls.shape[1], rules=options.rules
    )
    value = robustness_value(fit, _ONE)
    note = (
        f"an unobserved confounder explaining {value:.1%} of what controls leave of treatment and "
        "outcome would bring plr to 0"
    )
    findings.append(("credible", note))
    findings += _check_sameness(question, fit, options)
    return Answer(interval, tuple(findings))


def _check_sameness(question: Question, fit: Fit, options: Options) -> list[Finding]:
    """Whether one effect for all rows will do: plr against an average of rows' own effects."""
    found = impute_average(question, penalty=options.penalty)
    if found is None:
        return []
    average, influence = found
    error = float(np.sqrt(((influence - fit.influence[:, 0]) ** 2).sum()))
    reach = t_quantile(fit.degrees(_ONE), options.confidence) * error
    is_apart = abs(average - float(fit.theta[0])) > reach
    interval = fit.interval(_ONE, confidence=options.confidence)
    is_outside = not interval.ci_low <= average <= interval.ci_high
    note = f"{_PLR_NOTE}; a model of each arm puts the average at {average * question.unit:+.4g}"
    return [("weak" if is_apart and is_outside else "credible", note)]


def impute_average(question: Question, *, penalty: float) -> tuple[float, FloatArray] | None:
    """Mean difference of two out-of-fold ridge predictions, one fitted on each arm.

    In the question's scaled units, with the influence (G,) of each cluster on it. It is a check and
    no estimate: it leans on the model where an arm has no rows. None without controls, for more
    than two values of the treatment, or when an arm is too thin for the fit.
    """
    if question.is_treated is None or question.controls.shape[1] == 0:
        return None
    x = np.column_stack([np.ones(question.n), question.controls])
    fold = question.deal_folds()[question.cluster]
    gap, pull = np.zeros(question.n), np.zeros(question.n)
    for arm, sign in ((1, 1.0), (0, -1.0)):
        is_arm = question.is_treated == arm
        for k in range(question.folds):
            rows, held = is_arm & (fold != k), fold == k
            if rows.sum() < MIN_ARM_ROWS:
                return None
            predicted, leverage = _predict_arm(x, question.outcome, rows, held, penalty)
            gap[held] += sign * predicted
            error = question.outcome[held] - predicted
            pull[held] += sign * np.where(is_arm[held], leverage * error, 0.0)
    step = float(np.ptp(question.treatment))
    influence = np.bincount(question.cluster, weights=pull, minlength=len(question.clusters))
    return float(gap.mean()) / step, influence / step


def _predict_arm(
    x: FloatArray,
    outcome: FloatArray,
    rows: NDArray[np.bool_],
    held: NDArray[np.bool_],
    penalty: float,
) -> tuple[FloatArray, FloatArray]:
    """Ridge fitted on `rows`: predictions for `held`, and what each could pull the mean by."""
    both = np.column_stack([x[rows], outcome[rows], np.zeros(int(rows.sum()))])
    gram = both.T @ both
    width = x.shape[1]
    # the last column's cross products are the mean row: its "coefficients" are inv(X'X) mean(x)
    gram[:width, -1] = x.mean(axis=0)
    solution = solve_ridge(gram, np.arange(width), np.arange(width, width + 2), max(penalty, 1e-6))
    predicted = x[held] @ solution
    return predicted[:, 0], predicted[:, 1]


def _answer_diff(question: Question, options: Options) -> Answer:
    interval = _naive_fit(question).interval(_ONE, confidence=options.confidence)
    return Answer(interval, ())


ESTIMATORS: Final[dict[str, Estimator]] = {
    "plr": Estimator(_answer_plr, ("ate",)),
    "diff": Estimator(_answer_diff, ("ate",)),
}
"""Estimators by name: `plr` adjusts for the controls, `diff` for nothing."""


def _measure_overlap(question: Question) -> Overlap | None:
    if question.is_treated is None:
        return None
    fold = question.deal_folds()[question.cluster]
    propensity = fit_propensity(question.controls, question.is_treated, fold, question.folds)
    return measure_overlap(propensity, question.is_treated)


def _check_question(question: Question, overlap: Overlap | None, options: Options) -> list[Finding]:
    findings: list[Finding] = []
    if question.n < THIN_ROWS:
        findings.append(("weak", f"only {question.n} rows"))
    if overlap is not None:
        findings += check_overlap(overlap)
        arm = min(overlap.n_treated, overlap.n_untreated)
        if arm < MIN_ARM_ROWS:
            findings.append(("not credible", f"only {arm} rows in the smaller arm"))
    if question.controls.shape[1] == 0 and not options.is_experiment:
        findings.append(
            ("weak", "no controls: this is causal only if the treatment was assigned at random")
        )
    return findings


def _show(name: str, estimand: Estimand, interval: Interval, n: int) -> dict[str, Any]:
    return {
        "estimator": name,
        "estimand": estimand,
        "estimate": interval.estimate,
        "std_error": interval.std_error,
        "ci_low": interval.ci_low,
        "ci_high": interval.ci_high,
        "n": n,
        "p_value": interval.p_value,
    }


def _show_overlap(question: Question, overlap: Overlap | None) -> dict[str, Any]:
    """Propensities of a two-valued treatment; for any other, there are none to show."""
    if overlap is None:
        return {"min_propensity": None, "max_propensity": None, "effective_sample_size": None}
    return overlap.to_dict()
