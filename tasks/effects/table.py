"""One causal question of any table: what does this treatment do to that outcome?

The table fits in memory. Rows without outcome, treatment or cluster are dropped and counted;
missing values of controls have indicator columns of their own. Every cluster counts by itself, and
without a cluster column every row is one. A question that the data cannot answer raises an error,
or comes back with verdict "not credible" and the reason, never as a number that looks fine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.effects import credibility
from tasks.effects.basis import FloatArray, discover_spec, fit_basis, read_numbers
from tasks.effects.credibility import Finding, Rules
from tasks.effects.moments import IntArray, factorise
from tasks.effects.naive import estimate_naive_rows
from tasks.effects.overlap import Overlap, check_overlap, fit_propensity, measure_overlap
from tasks.effects.plr import (
    Fit,
    Interval,
    assign_folds,
    average_fits,
    fit_rows,
    robustness_value,
    solve_ridge,
    t_quantile,
)
from tasks.platform.errors import ConfigError, EstimationError, InputError

Estimand = Literal["ate", "att", "atc"]

SUFFIXES: Final = (".csv", ".csv.gz", ".tsv", ".parquet", ".dta")
MIN_ROWS: Final = 10
THIN_ROWS: Final = 50
SMALL_ROWS: Final = 200
REPEAT_ROWS: Final = 5_000
REPEATS: Final = 5
"""Small tables are split into folds several times, and averaged: one split is a lottery there."""
MIN_ARM_ROWS: Final = 10
_EXPLAINED: Final = 1e-6
_NULLS: Final = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]
_ONE: Final = np.ones(1)
_PLR_NOTE: Final = (
    "plr counts rows by how open their treatment was: it is the average effect when the effect is "
    "much the same for all"
)


@dataclass(frozen=True, eq=False)
class Question:
    """A table made ready: n rows of one outcome, one treatment and p controls.

    `outcome` and `treatment` (n,) are centred and scaled to unit deviation; `unit` takes an effect
    back to outcome units per unit of treatment. `controls` (n, p) are centred and scaled. `cluster`
    (n,) holds codes 0 to G - 1, `clusters` their G names, and `folds` how many folds they are dealt
    into. `is_treated` (n,) is 0 or 1, None when the treatment has more than two values.
    """

    outcome: FloatArray
    treatment: FloatArray
    unit: float
    controls: FloatArray
    cluster: IntArray
    clusters: tuple[str, ...]
    folds: int
    is_treated: IntArray | None
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.outcome)

    def deal_folds(self, *, salt: str = "") -> IntArray:
        """Fold of each cluster, shape (G,); another salt deals them anew."""
        return assign_folds([salt + name for name in self.clusters], self.folds)

    def scale(self, interval: Interval) -> Interval:
        """`interval` in outcome units per unit of treatment."""
        return Interval(
            interval.estimate * self.unit,
            interval.std_error * self.unit,
            interval.ci_low * self.unit,
            interval.ci_high * self.unit,
            interval.p_value,
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


def read_table(path: str | Path) -> pl.DataFrame:
    """Read a CSV, TSV, Parquet or Stata file.

    Raises InputError when there is no such file or it cannot be read as what it is called,
    ConfigError for another suffix. Of Stata's labelled columns, those with more than two values
    become text, so that codes are not taken for amounts.
    """
    path = Path(path)
    name = path.name.lower()
    if not path.exists():
        raise InputError(f"there is no file {path}; check the path")
    if not path.is_file():
        raise InputError(f"{path} is not a file; name a single file ({', '.join(SUFFIXES)})")
    if not name.endswith(SUFFIXES):
        raise ConfigError(f"{path.name} is of an unknown kind; allowed are {', '.join(SUFFIXES)}")
    try:
        return _read_known(path, name)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"[:200]
        raise InputError(f"{path} could not be read ({text}); is it whole?") from error


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


def ask(
    frame: pl.DataFrame,
    *,
    outcome: str,
    treatment: str,
    controls: Sequence[str],
    cluster: str | None,
    folds: int,
    max_levels: int,
) -> Question:
    """Check the columns, drop what is incomplete, fit the control basis, deal out folds."""
    controls = list(dict.fromkeys(controls))
    _check_roles(outcome, treatment, controls)
    check_columns(frame, [outcome, treatment, *controls, *([cluster] if cluster else [])])
    kept, notes = drop_incomplete(frame, [outcome, treatment], cluster)
    if kept.height < MIN_ROWS:
        raise EstimationError(
            f"{kept.height} of {frame.height} rows have both {outcome} and {treatment}; at least "
            f"{MIN_ROWS} are needed"
        )
    y, d = (read_column(kept[name], name) for name in (outcome, treatment))
    for name, values in ((outcome, y), (treatment, d)):
        if np.ptp(values) <= 1e-12 * np.abs(values).max():
            raise EstimationError(
                f"{name} is {values[0]:g} in all {len(values):,} rows; nothing to compare"
            )
    matrix, basis_notes = build_controls(kept, controls, max_levels=max_levels)
    codes, clusters = read_clusters(kept, cluster)
    folds = min(folds, len(clusters))
    values = np.unique(d)
    question = Question(
        outcome=_standardise(y),
        treatment=_standardise(d),
        unit=float(y.std() / d.std()),
        controls=matrix,
        cluster=codes,
        clusters=tuple(clusters),
        folds=folds,
        is_treated=(d == values[1]).astype(np.int64) if len(values) == 2 else None,
        notes=(*notes, *basis_notes),
    )
    _check_not_explained(question, treatment)
    return question


def check_columns(frame: pl.DataFrame, names: Sequence[str]) -> None:
    """Raise InputError for names that are not columns, with the nearest that are."""
    for name in names:
        if name not in frame.columns:
            near = get_close_matches(name, frame.columns, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"it has {frame.columns[:30]}"
            raise InputError(f"there is no column {name!r} in the table; {hint}")


def drop_incomplete(
    frame: pl.DataFrame, needed: Sequence[str], cluster: str | None
) -> tuple[pl.DataFrame, list[str]]:
    """Rows that have all of `needed` (as numbers) and a cluster; what was dropped, in words."""
    notes = []
    for name in needed:
        is_there = ~np.isnan(read_column(frame[name], name))
        if not is_there.all():
            notes.append(f"{int((~is_there).sum()):,} rows without {name} were dropped")
        frame = frame.filter(pl.Series(is_there))
    if cluster is not None and frame[cluster].null_count():
        notes.append(f"{frame[cluster].null_count():,} rows without {cluster} were dropped")
        frame = frame.filter(pl.col(cluster).is_not_null())
    return frame, notes


def read_column(series: pl.Series, name: str) -> FloatArray:
    """`series` as numbers with NaN for missing; raises InputError when it holds text."""
    values = read_numbers(series)
    if series.dtype == pl.String or not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        is_text = np.isnan(values) & series.is_not_null().to_numpy()
        if is_text.any():
            example = repr(series.filter(pl.Series(is_text))[0])[:40]
            raise InputError(
                f"{name} must be numbers, found {series.dtype} such as {example}; recode it, "
                "for instance as 0 and 1"
            )
    return values


def build_controls(
    frame: pl.DataFrame, controls: Sequence[str], *, max_levels: int
) -> tuple[FloatArray, list[str]]:
    """Control matrix (n, p) of the table's own basis; small tables get straight lines."""
    if not controls:
        return np.zeros((frame.height, 0)), []
    is_small = frame.height < SMALL_ROWS
    spec = discover_spec(frame, controls, max_levels=min(max_levels, 5) if is_small else max_levels)
    spec = spec.straight() if is_small else spec
    basis = fit_basis(frame, spec)
    idle = [name for name in controls if name in basis.dropped and name in spec.numeric]
    notes = [f"control {name} does not vary" for name in idle]
    return basis.transform(frame), notes


def read_clusters(frame: pl.DataFrame, cluster: str | None) -> tuple[IntArray, list[str]]:
    """Cluster codes (n,) and names (G,); every row its own without a column."""
    if cluster is None:
        return np.arange(frame.height), [str(i) for i in range(frame.height)]
    codes, names = factorise(frame[cluster])
    if len(names) < 2:
        raise EstimationError(
            f"all {frame.height:,} rows share one {cluster}; intervals need at least 2, and about "
            "30 to be trusted"
        )
    return codes, names


def _read_known(path: Path, name: str) -> pl.DataFrame:
    if name.endswith(".parquet"):
        return pl.read_parquet(path)
    if name.endswith(".dta"):
        return _read_stata(path)
    return pl.read_csv(
        path,
        separator="\t" if name.endswith(".tsv") else ",",
        infer_schema_length=None,
        null_values=_NULLS,
        encoding="utf8-lossy",
    )


def _read_stata(path: Path) -> pl.DataFrame:
    from pandas.io.stata import StataReader

    with StataReader(path, convert_categoricals=False) as reader:
        table: Any = reader.read()  # type: ignore[attr-defined]
        labels = reader.value_labels()
        named = dict(zip(table.columns, getattr(reader, "_lbllist", []), strict=False))
    for column, label in named.items():
        codes = labels.get(label) if label else None
        present = table[column].dropna().unique()
        if codes and len(present) > 2 and all(value in codes for value in present):
            table[column] = table[column].map(codes)
    frame: pl.DataFrame = pl.from_pandas(table)
    return frame


def _check_roles(outcome: str, treatment: str, controls: Sequence[str]) -> None:
    if outcome == treatment:
        raise ConfigError(f"{outcome} is named both outcome and treatment; name two columns")
    for role, name in (("treatment", treatment), ("outcome", outcome)):
        if name in controls:
            raise ConfigError(f"the {role} {name} is named as a control as well; remove it there")


def _standardise(values: FloatArray) -> FloatArray:
    standard: FloatArray = (values - values.mean()) / values.std()
    return standard


def _check_not_explained(question: Question, treatment: str) -> None:
    """Refuse a treatment that is a function of the controls: nothing would be left of it."""
    if question.controls.shape[1] == 0:
        return
    gram = question.controls.T @ question.controls
    cross = question.controls.T @ question.treatment
    inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
    share = 1 - float(cross @ inverse @ cross) / question.n
    if share < _EXPLAINED:
        raise EstimationError(
            f"{treatment} is fully explained by the controls (is one of them the same thing?); "
            "remove what repeats it"
        )


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
