"""Refutation: attempts to prove an effect wrong, each of which a true effect survives.

placebo           treatments dealt out anew among the reviews of a period: the effect must vanish
random_cause      one more control of pure noise: the effect must stay
subset            two halves of the users, estimated apart: they must agree
time              earlier and later half of the window: they must agree
negative_control  something that the treatment cannot have caused, as outcome: no effect
sensitivity       what a confounder as strong as each observed control could do

All of them work on moments; the first two on moments of changed panels (`change_panel`). After
Sharma & Kiciman 2020, "DoWhy"; Lipsitch, Tchetgen Tchetgen & Cohen 2010, "Negative controls".
A refuter that cannot be applied says so, and counts neither for nor against an effect.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding, Verdict
from tasks.effects.estimate import Method, Row, contrast_weights, list_controls
from tasks.effects.intervals import make_interval
from tasks.effects.moments import INTERCEPT, Moments, halve_moments, sum_moments
from tasks.effects.panel import treatment_names
from tasks.effects.plr import Fit, estimate_plr
from tasks.effects.ridge import locate
from tasks.effects.sensitivity import benchmark_controls, group_controls
from tasks.platform.errors import EstimationError
from tasks.platform.numbers import tell_signed

Refuter = Literal["placebo", "random_cause", "subset", "time", "negative_control", "sensitivity"]
Change = Literal["placebo", "random_cause"]
Result = Literal["passed", "weak", "failed", "not applicable"]

REFUTERS: Final[tuple[Refuter, ...]] = (
    "placebo", "random_cause", "subset", "time", "negative_control", "sensitivity",
)  # fmt: skip
CHANGES: Final[tuple[Change, ...]] = ("placebo", "random_cause")
"""Refuters that look at changed rows; the others look at the moments as they are."""
RANDOM_CAUSE: Final = "c__random_cause"
VERDICTS: Final[dict[Result, Verdict]] = {
    "passed": "credible",
    "not applicable": "credible",
    "weak": "weak",
    "failed": "not credible",
}


@dataclass(frozen=True)
class RefuteRules:
    """Thresholds. P values are divided by the number of contrasts asked about (Bonferroni).

    `placebo_p`, `negative_p`: below, the effect of a placebo or on a negative control is no chance.
    `halves_p`: below, two halves differ. `weak_move`, `failed_move`: how far one more control of
    noise may move an effect, in standard errors. `benchmarks`: observed controls shown.
    """

    placebo_p: float = 0.01
    negative_p: float = 0.01
    halves_p: float = 0.05
    weak_move: float = 0.5
    failed_move: float = 1.0
    benchmarks: int = 3


@dataclass(frozen=True)
class Case:
    """What stands trial: rows of one window's estimates, and how they were made.

    `rows` are those of `estimate_effects`; only rows with an estimate are tried. `treatments` are
    all that were estimated together.
    """

    rows: tuple[Row, ...]
    attributes: tuple[str, ...]
    outcome: str
    method: Method
    rules: RefuteRules

    @property
    def tried(self) -> list[Row]:
        """Rows that have an estimate."""
        return [row for row in self.rows if row["estimate"] is not None]


def change_panel(
    panel: pl.DataFrame, change: Change, *, treatments: Sequence[str], rng: np.random.Generator
) -> pl.DataFrame:
    """The panel of one period with treatments dealt out anew, or with a control of pure noise.

    Treatments of a review move together, so that they stay as related to one another as they are.
    """
    if change == "random_cause":
        return panel.with_columns(pl.Series(RANDOM_CAUSE, rng.normal(size=panel.height)))
    order = rng.permutation(panel.height)
    return panel.with_columns(panel.select(treatments)[order])


def refute_placebo(case: Case, placebo: Moments) -> list[Row]:
    """Effects of treatments that nobody had: each must be about zero."""
    limit = case.rules.placebo_p / max(len(case.tried), 1)

    def judge(row: Row, fit: Fit, weights: FloatArray) -> Row:
        interval = fit.interval(weights, confidence=case.method.confidence)
        is_failed = interval.p_value < limit
        said = (
            f"treatments dealt out at random still seem to move the outcome by "
            f"{tell_signed(interval.estimate)}: the intervals promise too much"
        )
        if is_failed:
            return _line(row, "placebo", "failed", said, interval)
        note = ""
        if interval.p_value < 1 - case.method.confidence:
            note = f"without 0, as some are by chance; of {len(case.tried)} it fails below p = {limit:.1g}"
        return _line(row, "placebo", "passed", "", interval) | {"note": note}

    return _refit(case, "placebo", placebo, judge)


def refute_random_cause(case: Case, moments: Moments) -> list[Row]:
    """Effects with one more control, of noise: each must stay where it was."""

    def judge(row: Row, fit: Fit, weights: FloatArray) -> Row:
        interval = fit.interval(weights, confidence=case.method.confidence)
        moved = abs(interval.estimate - row["estimate"]) / row["std_error"]
        outcome = grade(moved, case.rules.weak_move, case.rules.failed_move)
        said = f"a control of pure noise moves it by {moved:.1f} standard errors"
        return _line(row, "random_cause", outcome, said if outcome != "passed" else "", interval)

    return _refit(case, "random_cause", moments, judge)


def refute_subset(case: Case, moments: Moments) -> list[Row]:
    """Two halves of the user buckets, which share no user."""
    block = np.arange(moments.n_buckets) // case.method.folds % 2
    halves = [_select_buckets(moments, block == side) for side in (0, 1)]
    return _compare(case, "subset", halves, "the one half of users", "the other", are_apart=True)


def refute_time(case: Case, halves: tuple[Moments, Moments] | None) -> list[Row]:
    """Earlier and later half of the window; users may be in both."""
    if halves is None:
        return [_skip(row, "time", "the window is one period only") for row in case.tried]
    return _compare(
        case, "time", halves, "the earlier half of the window", "the later", are_apart=False
    )


def refute_negative_control(case: Case, moments: Moments, names: Sequence[str]) -> list[Row]:
    """Effects on what the treatment cannot have caused, one row a contrast and negative control."""
    if not names:
        said = "no negative control is configured"
        return [_skip(row, "negative_control", said) for row in case.tried]
    return [line for name in names for line in _try_negative(case, moments, name)]


def benchmark_sensitivity(case: Case, moments: Moments) -> list[Row]:
    """What a confounder as strong as each of the strongest controls could do, in words."""
    tried = case.tried
    if not tried:
        return []
    treatments = _estimable(tried)
    controls = list_controls(moments.columns, case.attributes, case.outcome)
    others = [name for name in treatment_names(case.attributes) if name not in treatments]
    groups = group_controls(controls)
    if not groups:
        return [_skip(row, "sensitivity", "there are no controls to compare with") for row in tried]
    at = {name: locate(moments.columns, columns) for name, columns in groups.items()}
    if others:
        at[_REST] = locate(moments.columns, others)
    gram = moments.grams.sum(axis=0)
    return [_benchmark(row, case, gram, moments, treatments, at) for row in tried]


def apply_refuter(
    case: Case, refuter: Refuter, batches: Sequence[Moments], negative_controls: Sequence[str] = ()
) -> list[Row]:
    """What one refuter finds of one window; `batches` are its periods in time order.

    Keys of a row: source, window, outcome, attribute, contrast, estimate, refuter, result (passed,
    weak, failed, not applicable), refuted, ci_low, ci_high, p_value, reason, note, benchmarks. For
    "subset" and "time" `refuted` is the difference between the halves.
    """
    if not case.tried:
        return []
    if refuter == "time":
        return refute_time(case, halve_moments(batches))
    window = sum_moments(batches)
    if refuter == "negative_control":
        return refute_negative_control(case, window, negative_controls)
    simple: dict[str, Callable[[Case, Moments], list[Row]]] = {
        "placebo": refute_placebo,
        "random_cause": refute_random_cause,
        "subset": refute_subset,
        "sensitivity": benchmark_sensitivity,
    }
    return simple[refuter](case, window)


def to_findings(lines: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What the refutations of one effect say for its verdict."""
    return [(VERDICTS[line["result"]], line["reason"]) for line in lines if line["reason"]]


_REST: Final = "(rare treatments)"


def _benchmark(
    row: Row,
    case: Case,
    gram: FloatArray,
    moments: Moments,
    treatments: Sequence[str],
    at: Mapping[str, Any],
) -> Row:
    wanted = contrast_weights(row["attribute"], row["contrast"])
    weights = np.array([wanted.get(name, 0.0) for name in treatments])
    found = benchmark_controls(
        gram,
        intercept=int(locate(moments.columns, [INTERCEPT])[0]),
        groups=at,
        treatments=locate(moments.columns, treatments),
        outcome=int(locate(moments.columns, [case.outcome])[0]),
        weights=weights,
    )
    shown = [one for one in found if one.control != _REST][: case.rules.benchmarks]
    return _line(row, "sensitivity", "passed", describe_benchmarks(row["estimate"], shown)) | {
        "refuted": row["estimate"] - np.sign(row["estimate"]) * shown[0].bias,
        "benchmarks": [vars(one) for one in shown],
    }


def describe_benchmarks(estimate: float, shown: Sequence[Any]) -> str:
    """One sentence on the strongest benchmark, or on the first that would cancel the effect."""
    strongest = shown[0]
    name = strongest.control.removeprefix("c__").removeprefix("user__").replace("_", " ")
    if strongest.cancels(estimate):
        return f"an unobserved confounder as strong as {name} could bring it to 0"
    left = abs(estimate) - strongest.bias
    return (
        f"an unobserved confounder as strong as {name}, the strongest control, would leave at "
        f"least {tell_signed(np.sign(estimate) * left)}"
    )


def _refit(
    case: Case, refuter: Refuter, moments: Moments, judge: Callable[[Row, Fit, FloatArray], Row]
) -> list[Row]:
    """Estimate the same contrasts from other moments, and judge each."""
    try:
        fit = _fit(case, moments)
    except EstimationError as error:
        return [_skip(row, refuter, str(error)) for row in case.tried]
    return [judge(row, fit, fit.weights(_weights_of(row))) for row in case.tried]


def _fit(
    case: Case, moments: Moments, *, outcome: str | None = None, without: Sequence[str] = ()
) -> Fit:
    """All estimable treatments at once; those set aside as rare stay among the controls.

    `outcome` may be another column than the case's; `without` are controls that are left out.
    """
    treatments = _estimable(case.tried)
    rest = [name for name in treatment_names(case.attributes) if name not in treatments]
    at = locate(moments.columns, [INTERCEPT, *rest])
    counts = moments.grams[:, at[0], at[1:]].sum(axis=0)
    rare = [name for name, count in zip(rest, counts, strict=True) if 0 < count < moments.n]
    controls = list_controls(moments.columns, case.attributes, case.outcome)
    return estimate_plr(
        moments, treatments=treatments, outcome=outcome or case.outcome, folds=case.method.folds,
        controls=[*(name for name in controls if name not in without), *rare],
        penalty=case.method.penalty,
    )  # fmt: skip


def _compare(
    case: Case,
    refuter: Refuter,
    halves: Sequence[Moments],
    first_name: str,
    second_name: str,
    *,
    are_apart: bool,
) -> list[Row]:
    """Whether two parts of the rows agree; `are_apart` when no user is in both."""
    try:
        first, second = (_fit(case, half) for half in halves)
    except EstimationError as error:
        return [_skip(row, refuter, f"a half is too thin: {error}") for row in case.tried]
    limit = case.rules.halves_p / max(len(case.tried), 1)
    lines = []
    for row in case.tried:
        weights = first.weights(_weights_of(row))
        gap = float(weights @ (second.theta - first.theta))
        moved = (second.influence - first.influence) @ weights
        spread = [float(np.square(half.influence @ weights).sum()) for half in (first, second)]
        std_error = float(np.sqrt(sum(spread) if are_apart else np.square(moved).sum()))
        degrees = min(first.degrees(weights), second.degrees(weights))
        interval = make_interval(gap, std_error, degrees=degrees, confidence=case.method.confidence)
        is_apart = interval.p_value < limit
        said = (
            f"not stable: {tell_signed(float(weights @ first.theta))} in {first_name}, "
            f"{tell_signed(float(weights @ second.theta))} in {second_name}"
        )
        lines.append(
            _line(
                row, refuter, "weak" if is_apart else "passed", said if is_apart else "", interval
            )
        )
    return lines


def _try_negative(case: Case, moments: Moments, name: str) -> list[Row]:
    groups = group_controls(list_controls(moments.columns, case.attributes, case.outcome))
    if name not in groups:
        said = f"negative control {name} does not vary or is no control of this source"
        return [_skip(row, "negative_control", said) for row in case.tried]
    try:
        fit = _fit(case, moments, outcome=groups[name][0], without=groups[name])
    except EstimationError as error:
        return [_skip(row, "negative_control", str(error)) for row in case.tried]
    limit = case.rules.negative_p / max(len(case.tried), 1)
    lines = []
    for row in case.tried:
        interval = fit.interval(fit.weights(_weights_of(row)), confidence=case.method.confidence)
        is_failed = interval.p_value < limit
        said = (
            f"it also seems to move {name.removeprefix('c__')}, which it cannot have caused: "
            "something that moves both is not accounted for"
        )
        result: Result = "failed" if is_failed else "passed"
        lines.append(_line(row, "negative_control", result, said if is_failed else "", interval))
    return lines


def _estimable(rows: Sequence[Row]) -> list[str]:
    """Treatments that the rows' estimates rest on, in order."""
    return list(dict.fromkeys(name for row in rows for name in _weights_of(row)))


def _weights_of(row: Row) -> dict[str, float]:
    return contrast_weights(row["attribute"], row["contrast"])


def _select_buckets(moments: Moments, is_kept: Any) -> Moments:
    return Moments(
        moments.columns,
        np.where(is_kept[:, None], moments.packed, 0.0),
        np.where(is_kept, moments.rows, 0),
        moments.basis_sha256,
    )


def grade(value: float, weak: float, failed: float) -> Result:
    """How bad a move of `value` is."""
    if value > failed:
        return "failed"
    return "weak" if value > weak else "passed"


def _line(
    row: Row, refuter: Refuter, result: Result, reason: str, interval: Any | None = None
) -> Row:
    """One row of marts.effect_refutations."""
    keys = ("source", "window", "outcome", "attribute", "contrast", "estimate")
    names = {"refuted": "estimate", "ci_low": "ci_low", "ci_high": "ci_high", "p_value": "p_value"}
    numbers = {
        name: None if interval is None else getattr(interval, part) for name, part in names.items()
    }
    return {key: row[key] for key in keys} | numbers | {
        "refuter": refuter, "result": result, "reason": reason, "note": "", "benchmarks": [],
    }  # fmt: skip


def _skip(row: Row, refuter: Refuter, why: str) -> Row:
    """A refuter that could not be applied: recorded, and no reason for or against."""
    return _line(row, refuter, "not applicable", "") | {"note": why}
