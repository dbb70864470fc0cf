"""Effects of one window: from its moments to the rows that are published.

Every attribute gives three contrasts: `positive` and `negative` mentions, each against reviews that
do not mention it or are neutral about it, and `negative_to_positive`, the difference. Each row has
its interval, the naive difference beside it, a verdict and the reasons. What cannot be estimated is
a row with verdict "no result" and the reason, never a number.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from tasks.effects import credibility
from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Rules
from tasks.effects.intervals import Interval, read_interval
from tasks.effects.moments import INTERCEPT, Moments
from tasks.effects.naive import estimate_naive
from tasks.effects.panel import treatment_names
from tasks.effects.penalty import Penalty
from tasks.effects.plr import (
    Fit,
    Residuals,
    find_collinear,
    residualise,
    robustness_value,
    solve_residuals,
)
from tasks.effects.ridge import locate
from tasks.platform.errors import EstimationError

Row = dict[str, Any]

HEADLINE: Final = "negative_to_positive"
"""The contrast that is shown first: a complaint turned into praise."""
CONTRASTS: Final[tuple[str, ...]] = (HEADLINE, "positive", "negative")
DEFAULT_RULES: Final = Rules()
_LONE_CLUSTER: Final = 0.9


@dataclass(frozen=True)
class Window:
    """What the rows say they are about: `name` is "all" or "28d" and the like, dates inclusive."""

    source: str
    name: str
    start: date
    end: date


@dataclass(frozen=True)
class Method:
    """How to estimate: folds of users, ridge penalty, level of the intervals, fewest mentions."""

    folds: int = 5
    penalty: Penalty = 1.0
    confidence: float = 0.95
    min_mentions: int = 30


@dataclass(frozen=True)
class Screening:
    """Which treatments can be estimated, and why the others cannot.

    `refused` maps a treatment to the reason. `nuisances` are refused treatments that do occur: they
    stay among the controls, so that their rows are not taken for "not mentioned". `residuals` are
    those of the estimable treatments, None when there are none.
    """

    residuals: Residuals | None
    nuisances: tuple[str, ...]
    refused: dict[str, str]


def estimate_effects(
    moments: Moments,
    *,
    window: Window,
    attributes: Sequence[str],
    outcome: str = "rating",
    method: Method | None = None,
    rules: Rules = DEFAULT_RULES,
    left_out: Collection[str] = (),
    is_adjusted: bool = True,
) -> list[Row]:
    """Effects of all attributes on `outcome`, three rows each, in the order of `attributes`.

    `moments` are the window's sum. Columns of them that are neither treatments nor outcome nor
    intercept are controls, but for those `left_out`. `is_adjusted` holds false discoveries over these
    rows; without it q values are None, and verdicts do not heed them, for whoever adds them over the
    rows of several windows.

    Keys of a row: source, window, window_start, window_end, outcome, attribute, contrast,
    estimator, estimand, estimate, std_error, ci_low, ci_high, naive, naive_ci_low, naive_ci_high, n,
    n_positive, n_negative, verdict, reasons; and p_value, q_value, robustness_value,
    variance_left, effective_clusters. Numbers that do not exist are None.
    """
    method = method or Method()
    treatments = treatment_names(attributes)
    known = list_controls(moments.columns, attributes, outcome)
    controls = [name for name in known if name not in left_out]
    rows = [
        _empty_row(moments, window, outcome, attribute, name)
        for attribute in attributes
        for name in CONTRASTS
    ]
    naive = _fit_naive(moments, treatments, outcome)
    try:
        screening = screen_treatments(moments, treatments, outcome, controls, method)
        fit = None if screening.residuals is None else solve_residuals(screening.residuals)
    except EstimationError as error:
        return [_refuse(row, str(error), naive, method) for row in rows]
    width = 1 + len(controls) + len(treatments)
    filled = [_fill(row, screening, fit, naive, method, rules, width) for row in rows]
    return add_q_values(filled, confidence=method.confidence) if is_adjusted else filled


def list_controls(columns: Sequence[str], attributes: Sequence[str], outcome: str) -> list[str]:
    """Columns of moments that are neither treatments of `attributes` nor outcome nor intercept."""
    skip = {INTERCEPT, outcome, *treatment_names(attributes)}
    return [name for name in columns if name not in skip]


def contrast_weights(attribute: str, name: str) -> dict[str, float]:
    """Weights over the treatments of one attribute."""
    positive, negative = treatment_names([attribute])
    weights = {
        "negative_to_positive": {positive: 1.0, negative: -1.0},
        "positive": {positive: 1.0},
        "negative": {negative: 1.0},
    }
    return weights[name]


def screen_treatments(
    moments: Moments,
    treatments: Sequence[str],
    outcome: str,
    controls: Sequence[str],
    method: Method,
) -> Screening:
    """Set aside the treatments for which no number would mean anything."""
    counts = count_mentions(moments, treatments)
    refused = {
        name: f"{_side(name)} in {_tell_reviews(counts[name])}; {method.min_mentions} are needed"
        for name in treatments
        if counts[name] < method.min_mentions
    }
    everywhere = [name for name in treatments if counts[name] == moments.n and moments.n > 0]
    refused |= {name: f"{_side(name)} in every review: nothing to compare" for name in everywhere}
    while True:
        estimable = tuple(name for name in treatments if name not in refused)
        nuisances = tuple(n for n in refused if 0 < counts[n] < moments.n)
        if not estimable:
            return Screening(None, nuisances, refused)
        residuals = residualise(
            moments, treatments=estimable, outcome=outcome, controls=[*controls, *nuisances],
            folds=method.folds, penalty=method.penalty,
        )  # fmt: skip
        found = _find_unusable(residuals)
        if not found:
            return Screening(residuals, nuisances, refused)
        refused |= found


def count_mentions(moments: Moments, treatments: Sequence[str]) -> dict[str, int]:
    """Rows in which each 0/1 treatment is 1."""
    at = locate(moments.columns, [INTERCEPT, *treatments])
    totals = moments.grams[:, at[0], at[1:]].sum(axis=0)
    return {name: round(float(v)) for name, v in zip(treatments, totals, strict=True)}


def add_q_values(rows: Sequence[Row], *, confidence: float = 0.95) -> list[Row]:
    """False-discovery q values over all rows that have a p value, and what follows for verdicts.

    A verdict only gets worse by it: rows that are adjusted with those of other windows are not
    adjusted by themselves before, as a find may stand among many finds that falls among few.
    """
    tested = [row for row in rows if row["p_value"] is not None]
    q_values = credibility.adjust_p_values([row["p_value"] for row in tested])
    by_row = {id(row): q for row, q in zip(tested, q_values, strict=True)}
    return [_with_q(row, by_row[id(row)], confidence) if id(row) in by_row else row for row in rows]


def _side(treatment: str) -> str:
    attribute, _, side = treatment.rpartition("__")
    return f"{attribute} is mentioned {side}ly"


def _tell_reviews(count: int) -> str:
    return "1 review" if count == 1 else f"{count:,} reviews"


def _find_unusable(residuals: Residuals) -> dict[str, str]:
    """Treatments that do not vary, rest on one cluster, or repeat another, with the reason."""
    left, shares = residuals.variance_left, residuals.shares.max(axis=0)
    found: dict[str, str] = {}
    for name, share_left, share_one in zip(residuals.treatments, left, shares, strict=True):
        if share_left < 1e-6:
            found[name] = f"{name} is fully explained by the controls"
        elif share_one > _LONE_CLUSTER:
            found[name] = f"{share_one:.0%} of what {name} could teach comes from one user group"
    if found:
        return found
    tied = [residuals.treatments[i] for i in find_collinear(residuals.grams.sum(axis=0)[:-1, :-1])]
    return {
        name: f"{_call(name)} cannot be told apart from {_list_others(name, tied)}" for name in tied
    }


def _call(treatment: str) -> str:
    attribute, _, side = treatment.rpartition("__")
    return f"praise of {attribute}" if side == "positive" else f"complaint about {attribute}"


def _list_others(treatment: str, tied: Sequence[str]) -> str:
    """What goes with a treatment, in words; at most three."""
    others = [_call(name) for name in sorted(tied) if name != treatment]
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return ", ".join(others[:3]) + more


def _fit_naive(moments: Moments, treatments: Sequence[str], outcome: str) -> dict[str, Fit]:
    """Naive fit of each attribute (by its treatments' names), where there is one."""
    fits: dict[str, Fit] = {}
    for positive, negative in zip(treatments[::2], treatments[1::2], strict=True):
        for names in ((positive, negative), (positive,), (negative,)):
            try:
                fit = estimate_naive(moments, treatments=names, outcome=outcome)
            except EstimationError:
                continue
            fits |= dict.fromkeys(names, fit)
            break
    return fits


def _empty_row(moments: Moments, window: Window, outcome: str, attribute: str, name: str) -> Row:
    counts = count_mentions(moments, treatment_names([attribute]))
    positive, negative = counts.values()
    numbers = (
        "estimate", "std_error", "ci_low", "ci_high", "naive", "naive_ci_low", "naive_ci_high",
        "p_value", "q_value", "robustness_value", "variance_left", "effective_clusters",
    )  # fmt: skip
    return {
        "source": window.source,
        "window": window.name,
        "window_start": window.start,
        "window_end": window.end,
        "outcome": outcome,
        "attribute": attribute,
        "contrast": name,
        "estimator": "plr",
        "estimand": "ate",
        **dict.fromkeys(numbers),
        "n": moments.n,
        "n_positive": positive,
        "n_negative": negative,
        "verdict": "no result",
        "reasons": [],
    }


def _naive_interval(row: Row, naive: Mapping[str, Fit], method: Method) -> Interval | None:
    weights = contrast_weights(row["attribute"], row["contrast"])
    fits = {id(naive[name]): naive[name] for name in weights if name in naive}
    if len(fits) != 1:
        return None
    (fit,) = fits.values()
    if not set(weights) <= set(fit.treatments):
        return None
    return fit.interval(fit.weights(weights), confidence=method.confidence)


def _with_naive(row: Row, naive: Interval | None) -> Row:
    if naive is None:
        return row
    return row | {
        "naive": naive.estimate,
        "naive_ci_low": naive.ci_low,
        "naive_ci_high": naive.ci_high,
    }


def _refuse(row: Row, reason: str, naive: Mapping[str, Fit], method: Method) -> Row:
    row = _with_naive(row, _naive_interval(row, naive, method))
    return row | {"verdict": "no result", "reasons": [reason]}


def _fill(
    row: Row,
    screening: Screening,
    fit: Fit | None,
    naive: Mapping[str, Fit],
    method: Method,
    rules: Rules,
    width: int,
) -> Row:
    """The row of one contrast, complete but for its q value."""
    wanted = contrast_weights(row["attribute"], row["contrast"])
    refused = [screening.refused[name] for name in wanted if name in screening.refused]
    if refused or fit is None:
        return _refuse(row, "; ".join(refused), naive, method)
    weights = fit.weights(wanted)
    interval = fit.interval(weights, confidence=method.confidence)
    beside = _naive_interval(row, naive, method)
    return fill_row(_with_naive(row, beside), fit, weights, interval, beside, rules, width)


def fill_row(
    row: Row,
    fit: Fit,
    weights: FloatArray,
    interval: Interval,
    naive: Interval | None,
    rules: Rules,
    width: int,
) -> Row:
    """`row` with the numbers of a contrast and its verdict; `width` columns were in the model."""
    findings = credibility.check_fit(fit, weights, interval, n_columns=width, rules=rules)
    findings += credibility.check_naive(interval, naive) if naive else []
    verdict, reasons = credibility.decide_verdict(findings)
    used = weights != 0
    return row | {
        "estimate": interval.estimate,
        "std_error": interval.std_error,
        "ci_low": interval.ci_low,
        "ci_high": interval.ci_high,
        "p_value": interval.p_value,
        "robustness_value": robustness_value(fit, weights),
        "variance_left": float(fit.variance_left[used].min()),
        "effective_clusters": float(fit.effective_clusters[used].min()),
        "verdict": verdict,
        "reasons": reasons,
    }


def _with_q(row: Row, q_value: float, confidence: float) -> Row:
    found = credibility.check_discovery(read_interval(row), q_value, confidence=confidence)
    kept = [reason for reason in row["reasons"] if "false-discovery q" not in reason]
    verdict = "weak" if found and row["verdict"] == "credible" else row["verdict"]
    return row | {
        "q_value": q_value,
        "verdict": verdict,
        "reasons": [*kept, *(reason for _, reason in found)],
    }
