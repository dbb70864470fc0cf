"""Refutation of one question of a table: the tests of `tasks.effects.refute`, on rows in memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.effects import credibility
from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.intervals import Interval, make_interval
from tasks.effects.moments import IntArray
from tasks.effects.plr import Fit
from tasks.effects.refute import VERDICTS, RefuteRules, Result, describe_benchmarks, grade
from tasks.effects.sensitivity import Benchmark, benchmark_controls, group_controls
from tasks.effects.table.answer import Answer, Options
from tasks.effects.table.checks import check_question, find_overlap
from tasks.effects.table.estimate import compare_naive, wants_check
from tasks.effects.table.linear import ONE, answer_plr, find_wide_controls, fit_naive, fit_plr
from tasks.effects.table.question import Question, stretch
from tasks.platform.errors import EstimationError
from tasks.platform.numbers import tell_signed

Line = dict[str, Any]

PLACEBOS: Final = 20
_SKIPPED: Final = "not applicable"


@dataclass(frozen=True, eq=False)
class Trial:
    """What stands trial: a question, its fit in scaled units, and what to try it with.

    `time` (n,) orders the rows, `negatives` are outcomes (n,) by name that the treatment cannot
    have caused; both may be absent.
    """

    question: Question
    options: Options
    fit: Fit
    rules: RefuteRules
    time: FloatArray | None
    negatives: dict[str, FloatArray]

    @property
    def interval(self) -> Interval:
        """The estimate that is tried, in outcome units per unit of treatment."""
        scaled = self.fit.interval(ONE, confidence=self.options.confidence)
        return self.question.scale(scaled)


def refute_question(
    question: Question,
    options: Options,
    *,
    time: FloatArray | None = None,
    negatives: dict[str, FloatArray] | None = None,
    rules: RefuteRules | None = None,
    check: Callable[[Answer, Options], list[Finding]] | None = None,
) -> dict[str, Any]:
    """Every refuter tried on the partially linear estimate of `question`.

    `time` and `negatives` have shape (n,), in the order of the question's rows (`Question.row`).
    Keys: estimate {estimate, std_error, ci_low, ci_high, p_value}, refutations [{refuter, result,
    refuted, ci_low, ci_high, p_value, reason, note, benchmarks}], verdict, reasons. Raises
    EstimationError when there is no estimate to refute.

    What `estimate_table` says against plr alone is said here too. `check` holds the answer of an
    estimate that all else passes against learners (`check_sample`): some seconds; None does not.
    """
    trial = Trial(
        question=question,
        options=options,
        fit=fit_plr(question, options),
        rules=rules or RefuteRules(),
        time=time,
        negatives=negatives or {},
    )
    lines = [
        try_placebo(trial),
        try_random_cause(trial),
        try_halves(trial, "subset", deal_halves(question), are_apart=True),
        try_time(trial),
        *try_negatives(trial),
        try_sensitivity(trial),
    ]
    shared = check_question(question, find_overlap(question, options), options, None)
    answer = answer_plr(question, options)
    naive = question.scale(fit_naive(question).interval(ONE, confidence=options.confidence))
    beside = compare_naive("plr", answer.interval, naive, question, options)
    own = [*answer.findings, *shared, *beside]
    found: list[Finding] = [
        (VERDICTS[line["result"]], line["reason"]) for line in lines if line["reason"]
    ]
    verdict, reasons = credibility.decide_verdict([*own, *found])
    if check is not None and wants_check(verdict, "plr", question, options):
        learned = check(answer, options)
        verdict, reasons = credibility.decide_verdict([*own, *found, *learned])
    return {
        "estimate": vars(trial.interval),
        "refutations": lines,
        "verdict": verdict,
        "reasons": [*reasons, *question.notes],
    }


def try_placebo(trial: Trial) -> Line:
    """The treatment dealt out anew, many times: as many false finds as chance allows.

    A treatment that is the same in all rows of a cluster is dealt out among clusters.
    """
    from scipy.stats import binom

    question, options = trial.question, trial.options
    rng = np.random.default_rng(options.seed)
    level = 1 - options.confidence
    fits = [
        fit_plr(question, options, treatment=deal_anew(question, rng), repeats=1)
        for _ in range(PLACEBOS)
    ]
    intervals = [fit.interval(ONE, confidence=options.confidence) for fit in fits]
    finds = sum(interval.p_value < level for interval in intervals)
    chance = float(binom.sf(finds - 1, PLACEBOS, level))
    mean = float(np.mean([interval.estimate for interval in intervals])) * question.unit
    note = f"{finds} of {PLACEBOS} placebos seem to have an effect"
    if chance >= trial.rules.placebo_p:
        return make_line("placebo", "passed", refuted=mean, p_value=chance, note=note)
    said = f"{note}, far more than chance: the intervals promise too much"
    return make_line("placebo", "failed", said, refuted=mean, p_value=chance)


def deal_anew(question: Question, rng: np.random.Generator) -> FloatArray:
    """The treatments of rows, or of whole clusters where these share one, in another order."""
    first = np.full(len(question.clusters), np.nan)
    first[question.cluster] = question.treatment
    if len(first) < question.n and np.array_equal(first[question.cluster], question.treatment):
        return rng.permutation(first)[question.cluster]
    return rng.permutation(question.treatment)


def try_random_cause(trial: Trial) -> Line:
    """One more control, of pure noise: the estimate must stay where it is."""
    question = trial.question
    noise = np.random.default_rng(trial.options.seed).normal(size=question.n)
    fit = fit_plr(
        question, trial.options, controls=np.column_stack([find_wide_controls(question), noise])
    )
    moved = abs(float(fit.theta[0] - trial.fit.theta[0])) / float(trial.fit.std_error[0])
    result = grade(moved, trial.rules.weak_move, trial.rules.failed_move)
    said = f"a control of pure noise moves it by {moved:.1f} standard errors"
    refuted = float(fit.theta[0]) * question.unit
    return make_line("random_cause", result, "" if result == "passed" else said, refuted=refuted)


def deal_halves(question: Question) -> NDArray[np.bool_]:
    """Half of the clusters, as a mask of rows (n,): every other one within each fold."""
    fold = question.deal_folds()
    rank = np.zeros(len(fold), dtype=np.int64)
    for k in range(question.folds):
        rank[fold == k] = np.arange((fold == k).sum())
    return np.asarray(rank % 2 == 0)[question.cluster]


def try_time(trial: Trial) -> Line:
    """Earlier and later part of the rows, cut nearest to their half, where a time column is named.

    Rows of one time stay together: of few times the median may be the last.
    """
    if trial.time is None:
        return make_line("time", _SKIPPED, note="no time column was named")
    if np.isnan(trial.time).any():
        return make_line("time", _SKIPPED, note="the time column has gaps")
    times, counts = np.unique(trial.time, return_counts=True)
    if len(times) < 2:
        return make_line("time", _SKIPPED, note="all rows are of one time")
    upto = np.cumsum(counts)[:-1]
    last = times[np.abs(upto - len(trial.time) / 2).argmin()]
    return try_halves(trial, "time", trial.time <= last, are_apart=False)


def try_halves(trial: Trial, refuter: str, is_first: NDArray[np.bool_], *, are_apart: bool) -> Line:
    """Whether two parts of the rows agree; `are_apart` when no cluster is in both."""
    try:
        parts = [select_rows(trial.question, rows) for rows in (is_first, ~is_first)]
        first, second = (fit_plr(part, trial.options) for part in parts)
    except EstimationError as error:
        return make_line(refuter, _SKIPPED, note=f"a half is too thin: {error}")
    unit = trial.question.unit
    gap = float(second.theta[0] - first.theta[0])
    pulls = [align_influence(fit, part) for fit, part in zip((first, second), parts, strict=True)]
    moved = pulls[0] ** 2 + pulls[1] ** 2 if are_apart else (pulls[1] - pulls[0]) ** 2
    interval = make_interval(
        gap,
        float(np.sqrt(moved.sum())),
        degrees=min(first.degrees(ONE), second.degrees(ONE)),
        confidence=trial.options.confidence,
    )
    names = {"subset": ("one half", "the other"), "time": ("the earlier half", "the later")}
    is_apart = interval.p_value < trial.rules.halves_p / 5
    said = (
        f"not stable: {tell_signed(float(first.theta[0]) * unit)} in {names[refuter][0]} of the "
        f"{'clusters' if are_apart else 'rows'}, {tell_signed(float(second.theta[0]) * unit)} in "
        f"{names[refuter][1]}"
    )
    scaled = stretch(interval, unit)
    return make_line(
        refuter, "weak" if is_apart else "passed", said if is_apart else "",
        refuted=scaled.estimate, ci_low=scaled.ci_low, ci_high=scaled.ci_high,
        p_value=scaled.p_value,
    )  # fmt: skip


def align_influence(fit: Fit, question: Question) -> FloatArray:
    """Influence of every cluster of the whole table, shape (G,), 0 for those without rows here."""
    influence = np.zeros(len(question.clusters))
    influence[np.unique(question.cluster)] = fit.influence[:, 0]
    return influence


def select_rows(question: Question, is_kept: NDArray[np.bool_]) -> Question:
    """The question about some of its rows; clusters keep their codes and folds."""
    return replace(
        question,
        outcome=question.outcome[is_kept],
        treatment=question.treatment[is_kept],
        controls=question.controls[is_kept],
        features=question.features[is_kept],
        cluster=question.cluster[is_kept],
        is_treated=None if question.is_treated is None else question.is_treated[is_kept],
        row=question.row[is_kept],
        shared=tuple((name, codes[is_kept]) for name, codes in question.shared),
        memo={},
    )


def try_negatives(trial: Trial) -> list[Line]:
    """Effects on outcomes that the treatment cannot have caused."""
    if not trial.negatives:
        return [make_line("negative_control", _SKIPPED, note="no negative control was named")]
    limit = trial.rules.negative_p / len(trial.negatives)
    lines = []
    for name, values in trial.negatives.items():
        scale = float(np.nanstd(values))
        if np.isnan(values).any() or scale == 0:
            note = f"{name} has gaps or does not vary"
            lines.append(make_line("negative_control", _SKIPPED, note=note))
            continue
        outcome = (values - values.mean()) / scale
        fit = fit_plr(trial.question, trial.options, outcome=outcome)
        unit = trial.question.unit * scale / trial.question.spread
        interval = stretch(fit.interval(ONE, confidence=trial.options.confidence), unit)
        is_failed = interval.p_value < limit
        said = (
            f"it also seems to move {name}, which it cannot have caused: something that moves both "
            "is not accounted for"
        )
        line = make_line(
            "negative_control", "failed" if is_failed else "passed", said if is_failed else "",
            refuted=interval.estimate, ci_low=interval.ci_low, ci_high=interval.ci_high,
            p_value=interval.p_value, note=name,
        )  # fmt: skip
        lines.append(line)
    return lines


def try_sensitivity(trial: Trial) -> Line:
    """What a confounder as strong as each of the strongest controls could do."""
    question = trial.question
    groups = group_controls(question.control_names)
    if not groups:
        return make_line("sensitivity", _SKIPPED, note="there are no controls to compare with")
    shown = measure_benchmarks(question, groups)[: trial.rules.benchmarks]
    estimate = trial.interval.estimate
    return make_line(
        "sensitivity", "passed", describe_benchmarks(estimate, shown),
        refuted=estimate - float(np.sign(estimate)) * shown[0].bias,
    ) | {"benchmarks": [vars(one) for one in shown]}  # fmt: skip


def measure_benchmarks(question: Question, groups: dict[str, list[str]]) -> list[Benchmark]:
    """Benchmarks of one question, in outcome units per unit of treatment, the strongest first."""
    design = np.column_stack(
        [np.ones(question.n), question.controls, question.treatment, question.outcome]
    )
    position = {name: i + 1 for i, name in enumerate(question.control_names)}
    at: dict[str, IntArray] = {
        name: np.array([position[column] for column in own]) for name, own in groups.items()
    }
    found = benchmark_controls(
        design.T @ design,
        intercept=0,
        groups=at,
        treatments=np.array([design.shape[1] - 2]),
        outcome=design.shape[1] - 1,
        weights=ONE,
    )
    return [
        Benchmark(one.control, one.r2_treatment, one.r2_outcome, one.bias * question.unit)
        for one in found
    ]


def make_line(
    refuter: str,
    result: Result,
    reason: str = "",
    *,
    refuted: float | None = None,
    ci_low: float | None = None,
    ci_high: float | None = None,
    p_value: float | None = None,
    note: str = "",
) -> Line:
    """What one refuter found."""
    return {
        "refuter": refuter,
        "result": result,
        "refuted": refuted,
        "ci_low": ci_low,
        "ci_high": ci_high,
        "p_value": p_value,
        "reason": reason,
        "note": note,
        "benchmarks": [],
    }
