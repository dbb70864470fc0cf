"""One causal question of any table: what does this treatment do to that outcome?

The table fits in memory. Rows without outcome, treatment or cluster are dropped and counted;
missing values of controls have indicator columns of their own. Every cluster counts by itself, and
without a cluster column every row is one. A question that the data cannot answer raises an error,
or comes back with verdict "not credible" and the reason, never as a number that looks fine.

Which average is asked for (`estimand`) decides which estimators may answer. One that cannot is
listed with verdict "no result" and the reason; another question is never answered in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from tasks.effects import credibility
from tasks.effects.basis import FloatArray
from tasks.effects.controls.left_over import check_shared, check_slopes
from tasks.effects.credibility import Finding, Rules, Verdict
from tasks.effects.estimand import ESTIMANDS, NAMES, Estimand, check_estimand
from tasks.effects.holes import check_hole
from tasks.effects.intervals import Interval
from tasks.effects.overlap import Overlap
from tasks.effects.penalty import Penalty
from tasks.effects.table.answer import Answer, Estimator, Options
from tasks.effects.table.checks import check_question, find_overlap
from tasks.effects.table.dml import answer_dml
from tasks.effects.table.flexible import (
    answer_balance,
    answer_forest,
    answer_ipw,
    answer_irm,
    describe_effects,
    find_effects,
)
from tasks.effects.table.linear import (
    ONE,
    answer_cuped,
    answer_diff,
    answer_lin,
    answer_plr,
    fit_naive,
    interval_or_none,
)
from tasks.effects.table.question import Question, ask
from tasks.effects.table.sample import check_sample
from tasks.platform.errors import ConfigError, EstimationError
from tasks.platform.numbers import tell_estimate

_EVERY: Final = ESTIMANDS

ESTIMATORS: Final[dict[str, Estimator]] = {
    "plr": Estimator(
        answer_plr, ("ate",), "one effect for all, weighted by how open the treatment was",
        is_binary=False,
    ),
    "dml": Estimator(
        answer_dml, ("ate",), "one effect for all, given what learners know of the controls",
        is_binary=False,
    ),
    "irm": Estimator(answer_irm, _EVERY, "an average, doubly robust"),
    "balance": Estimator(answer_balance, _EVERY, "an average, by models and balancing weights"),
    "forest": Estimator(answer_forest, _EVERY, "an average of rows' effects, doubly robust"),
    "ipw": Estimator(answer_ipw, _EVERY, "an average, by weighting"),
    "diff": Estimator(
        answer_diff, ("ate",), "a plain difference in means", randomised=_EVERY, is_binary=False
    ),
    "lin": Estimator(answer_lin, (), "an experiment's difference, adjusted", randomised=_EVERY),
    "cuped": Estimator(answer_cuped, (), "an experiment's difference, adjusted", randomised=_EVERY),
}  # fmt: skip
"""Estimators by name. Without an experiment `diff` adjusts for nothing and is the naive figure."""

DEFAULTS: Final = ("plr", "balance", "irm", "diff")
DOSE_DEFAULTS: Final = ("plr", "dml", "diff")
"""Of a treatment of more than two values."""
LARGE_ROWS: Final = 20_000
"""Larger tables are asked for estimators with learners by name only: they take minutes there, and a
sample says whether they would disagree."""
_LEARNED: Final = ("balance", "irm", "forest", "dml")
_TRUSTED: Final = ("balance", "irm", "forest", "dml", "plr", "ipw", "diff")
_TRUSTED_IN_EXPERIMENTS: Final = ("lin", "cuped", "diff")
"""Which estimate the verdict over all is about: the first of these that has a result."""
_UNADJUSTED: Final = (
    "diff adjusts for no control: it is causal only if the treatment was assigned at random"
)


@dataclass(frozen=True, eq=False)
class Reply:
    """What one estimator gave: an answer, or why there is none."""

    name: str
    answer: Answer | None
    why_not: str = ""


def estimate_table(
    frame: pl.DataFrame,
    *,
    outcome: str,
    treatment: str,
    controls: Sequence[str] = (),
    cluster: str | None = None,
    estimators: Sequence[str] | None = None,
    estimand: Estimand = "ate",
    confidence: float = 0.95,
    folds: int = 5,
    penalty: Penalty = 1.0,
    max_levels: int = 20,
    is_experiment: bool = False,
    expected_share: float | None = None,
    vectors: Mapping[str, FloatArray] | None = None,
    has_effects: bool = False,
    is_checked: bool = True,
    question: Question | None = None,
    seed: int = 0,
    rules: Rules | None = None,
) -> dict[str, Any]:
    """Answer one question, by each of `estimators`, with the naive difference beside.

    Keys: outcome, treatment, n, naive {estimate, ci_low, ci_high}, headline (the estimator that
    verdict and reasons are about), estimates [{estimator, estimand, estimate, std_error, ci_low,
    ci_high, n, p_value, naive, overlap, verdict, reasons}], overlap, verdict, reasons; with
    `has_effects` also cate [{row, cate}], in the order of the table, and heterogeneity. A numeric
    treatment's effect is per unit.

    `estimators` None chooses by the question. `is_experiment` says that the treatment was
    randomised, `expected_share` what share was meant to be treated. `vectors` are embeddings of
    text controls, shape (rows, dim) by name. `is_checked` holds an adjusted answer that nothing speaks
    against beside learners of the controls, where none of `estimators` has them: some seconds. `question` is
    this one where `ask` made it of the table before; what is learned stays with it.

    Raises ConfigError for contradictory arguments, InputError for columns that are absent or not
    numbers, EstimationError when the data cannot answer.
    """
    if expected_share is not None and not is_experiment:
        raise ConfigError(
            "--expected-share says what share an experiment was meant to treat; add --experiment"
        )
    options = Options(
        check_estimand(estimand), confidence, penalty, is_experiment, rules or Rules(), seed
    )
    asked: dict[str, Any] = {
        "outcome": outcome, "treatment": treatment, "controls": controls, "cluster": cluster,
        "folds": folds, "max_levels": max_levels, "vectors": vectors,
    }  # fmt: skip
    question = question or ask(frame, **asked)
    if expected_share is not None and question.is_treated is None:
        raise ConfigError(
            f"--expected-share is of a treatment of two values, and this one has {len(question.doses):,}; "
            "compare two of them, or leave it out"
        )
    names = choose_estimators(estimators, question, options)
    replies = [reply(name, question, options) for name in names]
    naive = question.scale(fit_naive(question).interval(ONE, confidence=confidence))
    overlap = find_overlap(question, options)
    shared = check_question(question, overlap, options, expected_share)
    shown = [_show(one, shared, naive, question, overlap, options) for one in replies]
    headline = _choose_headline(shown, options)
    beside: list[Finding] = []
    main = next((one.answer for one in replies if one.name == headline), None)
    own: Verdict = next(
        (one["verdict"] for one in shown if one["estimator"] == headline), "no result"
    )
    if main is not None and is_checked and wants_check(own, str(headline), question, options):
        beside = check_sample(question, frame, main, options, name=str(headline), **asked)
    verdict, reasons = _conclude(shown, headline, beside)
    return {
        "outcome": outcome,
        "treatment": treatment,
        "n": question.n,
        "naive": {"estimate": naive.estimate, "ci_low": naive.ci_low, "ci_high": naive.ci_high},
        "headline": headline,
        "estimates": shown,
        "overlap": _show_overlap(overlap),
        "verdict": verdict,
        "reasons": [*reasons, *question.notes],
        **(collect_effects(question, options) if has_effects else {}),
    }


def choose_estimators(
    names: Sequence[str] | None, question: Question, options: Options
) -> list[str]:
    """`names`, or what the question asks for; raises ConfigError when none of them can answer."""
    if names is None:
        wanted = DEFAULTS if question.is_treated is not None else DOSE_DEFAULTS
        wanted = _TRUSTED_IN_EXPERIMENTS if options.is_experiment else wanted
        able = [n for n in wanted if ESTIMATORS[n].refuse(question, options) is None]
        is_short = question.n > LARGE_ROWS and "plr" in able
        return [n for n in able if not (is_short and n in _LEARNED)]
    unknown = [name for name in names if name not in ESTIMATORS]
    if unknown or not names:
        raise ConfigError(f"--estimators {','.join(names)}: allowed are {', '.join(ESTIMATORS)}")
    whys = {name: ESTIMATORS[name].refuse(question, options) for name in names}
    if all(whys.values()):
        able = [n for n, one in ESTIMATORS.items() if one.refuse(question, options) is None]
        said = "; ".join(f"{name}: {why}" for name, why in whys.items())
        raise ConfigError(
            f"none of {', '.join(names)} can estimate {NAMES[options.estimand]} ({said}); "
            f"here {', '.join(able) or 'no estimator'} can"
        )
    return list(dict.fromkeys(names))


def wants_check(verdict: Verdict, name: str, question: Question, options: Options) -> bool:
    """Whether an adjusted answer that nothing speaks against has yet to be held against learners.

    It is that of the estimator `name`, and `verdict` what was found of it so far.
    """
    is_adjusted = name in ("plr", "ipw") and question.controls.shape[1] > 0
    return is_adjusted and verdict == "credible" and not options.is_experiment


def reply(name: str, question: Question, options: Options) -> Reply:
    """What the estimator called `name` says; a failure of one is its own "no result"."""
    estimator = ESTIMATORS[name]
    why = estimator.refuse(question, options)
    if why is not None:
        return Reply(name, None, why)
    try:
        return Reply(name, estimator.answer(question, options))
    except EstimationError as error:
        return Reply(name, None, str(error))


def collect_effects(question: Question, options: Options) -> dict[str, Any]:
    """Effects of rows in the order of the table that came in, None for rows that were dropped.

    Per unit of the treatment. Raises ConfigError when the treatment has more than two values.
    """
    if question.is_treated is None:
        raise ConfigError(
            "effects of rows need a treatment of two values; compare two of them, as 0 and 1"
        )
    fit = find_effects(question, options)
    effects: list[float | None] = [None] * question.height
    for row, value in zip(question.row, fit.effect / question.gap, strict=True):
        effects[int(row)] = float(value)
    return {
        "cate": [{"row": row, "cate": value} for row, value in enumerate(effects)],
        "heterogeneity": describe_effects(question, fit),
    }


def _show(
    one: Reply,
    shared: Sequence[Finding],
    naive: Interval,
    question: Question,
    overlap: Overlap | None,
    options: Options,
) -> dict[str, Any]:
    """One entry of `estimates`."""
    interval = one.answer.interval if one.answer else None
    verdict: Verdict = "no result"
    reasons = [one.why_not]
    if one.answer is not None:
        beside = compare_naive(one.name, one.answer.interval, naive, question, options)
        verdict, reasons = credibility.decide_verdict([*one.answer.findings, *shared, *beside])
    return {
        "estimator": one.name,
        "estimand": options.estimand,
        **interval_or_none(interval),
        "n": question.n,
        "naive": naive.estimate,
        "overlap": _show_overlap(overlap),
        "verdict": verdict,
        "reasons": reasons,
        **((one.answer.details if one.answer else None) or {}),
    }


def compare_naive(
    name: str, interval: Interval, naive: Interval, question: Question, options: Options
) -> list[Finding]:
    """What the `naive` figure beside says of the `interval` of the estimator `name`."""
    if name == "diff":
        is_left = not options.is_experiment and question.controls.shape[1] > 0
        return [("weak", _UNADJUSTED)] if is_left else []
    found = credibility.check_naive(interval, naive)
    if options.is_experiment:
        return found
    left = (*check_shared(question, interval), *check_slopes(question, interval))
    return [*found, *check_hole(question.hole, interval, naive.estimate), *left]


def _choose_headline(shown: Sequence[Mapping[str, Any]], options: Options) -> str | None:
    order = _TRUSTED_IN_EXPERIMENTS if options.is_experiment else _TRUSTED
    there = [one["estimator"] for one in shown if one["estimate"] is not None]
    return next((n for n in (*order, *there) if n in there), None)


def _conclude(
    shown: Sequence[Mapping[str, Any]], headline: str | None, beside: Sequence[Finding] = ()
) -> tuple[Verdict, list[str]]:
    """Verdict of the headline estimate, worse when another excludes it, or findings `beside` do."""
    main = next((one for one in shown if one["estimator"] == headline), None)
    if main is None:
        return "no result", [f"{one['estimator']}: {one['reasons'][0]}" for one in shown]
    findings: list[Finding] = [(main["verdict"], reason) for reason in main["reasons"]]
    findings += beside
    for other in shown:
        if other is main or other["estimator"] == "diff":
            continue
        if other["estimate"] is None:
            findings.append(
                ("credible", f"{other['estimator']} has no result: {other['reasons'][0]}")
            )
        elif other["ci_low"] > main["ci_high"] or other["ci_high"] < main["ci_low"]:
            said = f"{other['estimator']} disagrees beyond both intervals: {tell_estimate(other)}"
            findings.append(("weak", said))
    verdict, reasons = credibility.decide_verdict(findings)
    return max(verdict, main["verdict"], key=credibility.ORDER.index), reasons


def _show_overlap(overlap: Overlap | None) -> dict[str, Any]:
    """Propensities of a two-valued treatment; for any other, there are none to show."""
    if overlap is None:
        return {"min_propensity": None, "max_propensity": None, "effective_sample_size": None}
    return overlap.to_dict()
