"""What speaks against any answer to a question, whoever gives it."""

from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.experiment import check_balance, check_sample_ratio
from tasks.effects.intervals import effective_size
from tasks.effects.moments import IntArray
from tasks.effects.overlap import Overlap, check_overlap, fit_propensity, measure_overlap
from tasks.effects.ridge import take_out
from tasks.effects.table.answer import Options
from tasks.effects.table.linear import MIN_ARM_ROWS
from tasks.effects.table.question import Question
from tasks.platform.numbers import tell_signed

THIN_ROWS: Final = 50
_CURVED_P: Final = 1e-3
_CURVE_ROWS: Final = 20_000
_CODES: Final = 10
_MAIN_SHARE: Final = 0.8
_SAME: Final = 0.999
"""Share of the outcome's variance that one control alone goes along with, from which on it may be the outcome."""

_ONE_ROW: Final = 0.5
"""Share of a column's variance in one row, above which the answer hangs on it."""

_LOPSIDED: Final = 0.5
"""Skewness of an estimate from which on 95% intervals hold the truth in some 90%, then in fewer."""


def find_overlap(question: Question, options: Options) -> Overlap | None:
    """Overlap of a two-valued treatment for the average that is asked for; None for any other."""
    if question.is_treated is None:
        return None
    fold = question.deal_folds()[question.cluster]
    propensity = fit_propensity(question.controls, question.is_treated, fold, question.folds)
    return measure_overlap(propensity, question.is_treated, estimand=options.estimand)


def check_question(
    question: Question, overlap: Overlap | None, options: Options, expected_share: float | None
) -> list[Finding]:
    """Few rows or clusters, no overlap, no controls, controls adjusted for in part, odd treatments.

    For an experiment whether it was one. Raises ConfigError for an expected share outside (0, 1).
    """
    findings: list[Finding] = []
    if question.n < THIN_ROWS:
        findings.append(("weak", f"only {question.n} rows"))
    findings += _check_clusters(question, options)
    findings += [("weak", said) for said in (question.copies, question.dealt) if said]
    findings += _check_outcome(question)
    findings += _check_single_rows(question)
    findings += _check_lopsided(question)
    if overlap is not None:
        findings += check_overlap(overlap)
        arm = min(overlap.n_treated, overlap.n_untreated)
        if arm < MIN_ARM_ROWS:
            findings.append(("not credible", f"only {arm} rows in the smaller arm"))
    else:
        findings += [*_check_doses(question), *_check_curve(question)]
    if options.is_experiment:
        return [*findings, *_check_experiment(question, expected_share)]
    if question.controls.shape[1] == 0:
        findings.append(
            ("weak", "no controls: this is causal only if the treatment was assigned at random")
        )
    return [*findings, *(("weak", gap) for gap in question.gaps)]


def _check_experiment(question: Question, expected_share: float | None) -> list[Finding]:
    """Whether an experiment of two arms was one: arms of the expected size, covariates that agree."""
    if question.is_treated is None:
        return []
    arms, cluster = question.is_treated, question.cluster
    return [
        *check_sample_ratio(arms, expected_share, cluster=cluster),
        *check_balance(question.controls, arms, cluster=cluster),
    ]


def _check_clusters(question: Question, options: Options) -> list[Finding]:
    """Whether intervals rest on clusters enough: as many equal ones as they are worth (Kish)."""
    rows = np.bincount(question.cluster).astype(np.float64)
    worth = effective_size(rows)
    if question.n < THIN_ROWS or worth >= options.rules.weak_clusters:
        return []
    said = (
        f"{len(rows)} clusters, worth {worth:.1f} equal ones: intervals cannot be trusted below 10"
    )
    return [("weak" if worth >= options.rules.min_clusters else "not credible", said)]


def _check_outcome(question: Question) -> list[Finding]:
    """Whether one control is all but the outcome: given that, no treatment has an effect on it."""
    if question.controls.shape[1] == 0:
        return []
    shares = (question.controls.T @ question.outcome / question.n) ** 2
    most = int(shares.argmax())
    if shares[most] < _SAME:
        return []
    said = (
        f"control {question.control_names[most]} all but repeats the outcome ({shares[most]:.2%} of its "
        "variance): if it was measured after the treatment, it takes the effect away; leave it out then"
    )
    return [("weak", said)]


def _check_single_rows(question: Question) -> list[Finding]:
    """Whether one row holds more than half of what outcome or treatment vary."""
    sides = {"outcome": question.outcome}
    if question.is_treated is None:
        sides["treatment"] = question.treatment
    found: list[Finding] = []
    for name, values in sides.items():
        shares = values**2 / question.n
        most = int(shares.argmax())
        if question.n >= THIN_ROWS and shares[most] > _ONE_ROW:
            said = (
                f"row {question.row[most] + 1:,} of the table holds {shares[most]:.0%} of all that the {name} "
                "varies, so that estimate and interval are that row's: is its value right?"
            )
            found.append(("weak", said))
    return found


def _check_lopsided(question: Question) -> list[Finding]:
    """Whether chance moves the estimate further to one side: rare treatments of rare or far outcomes.

    Of products of treatment and outcome, each net of the controls and apart from any effect, the mean
    of n has the product of both skewnesses over the root of n (Johnson 1978, "Modified t tests and
    confidence intervals for asymmetrical populations"). Rows of a cluster count one by one.
    """
    rows = np.random.default_rng(0).permutation(question.n)[:_CURVE_ROWS]
    if question.n < THIN_ROWS or question.controls.shape[1] + 3 > len(rows) / 2:
        return []
    base = np.column_stack([np.ones(len(rows)), question.controls[rows]])
    d = take_out(base, question.treatment[rows, None])
    e = take_out(np.column_stack([base, question.treatment[rows]]), question.outcome[rows, None])
    skewness = float(_skew(d[:, 0]) * _skew(e[:, 0])) / np.sqrt(question.n)
    if abs(skewness) <= _LOPSIDED:
        return []
    end, way = ("upper", "low") if skewness > 0 else ("lower", "high")
    said = (
        f"rare treatments meet rare or far outcomes, too few for {question.n:,} rows: chance moves the "
        f"estimate further to one side (skewness {tell_signed(skewness)}), so that the {end} end of its "
        f"interval tends to lie too {way}; more rows, or an outcome without a long tail, would tell"
    )
    return [("weak", said)]


def _skew(values: FloatArray) -> float:
    """Skewness of values about zero, nought where they do not vary."""
    square = float((values**2).mean())
    return float((values**3).mean()) / square**1.5 if square > 0 else 0.0


def _check_doses(question: Question) -> list[Finding]:
    """A treatment of more than two values: what the number is, and whether the values look like codes."""
    values, counts = np.unique(question.treatment, return_counts=True)
    raw = question.doses
    what = (
        f"the treatment has {len(values):,} values from {raw[0]:g} to {raw[-1]:g}: the effect is the "
        "slope of a straight line per unit of it, by plr, dml or diff, which weighs most where the "
        "treatment varies most; other estimators compare two values"
    )
    if len(values) > _CODES or np.sort(counts)[-2:].sum() < _MAIN_SHARE * question.n:
        return [("credible", what)]
    shares = ", ".join(
        f"{value:g} in {count:,} rows" for value, count in zip(raw, counts, strict=True)
    )
    return [("weak", f"{what}; {shares}: if some are codes, drop those rows or recode them")]


def _check_curve(question: Question) -> list[Finding]:
    """Whether the outcome follows a treatment of many values in a curve rather than a straight line.

    The square of the treatment beside it and the controls, as it is and cut where 2% lie beyond on
    either side (few large doses hide a curve, or make one); it matters where the slope at a tenth of
    the treatment's values differs from that at nine tenths by half of the larger or more.
    """
    rows = np.random.default_rng(0).permutation(question.n)[:_CURVE_ROWS]
    d = question.treatment[rows]
    if len(np.unique(d)) < 3 or question.controls.shape[1] + 3 > len(rows) / 2:
        return []
    base = np.column_stack([np.ones(len(rows)), question.controls[rows], d])
    ends = np.quantile(d, [0.1, 0.9])
    for cut in (0.0, 0.02):
        square = np.clip(d, *np.quantile(d, [cut, 1 - cut])) ** 2
        slopes = _fit_slopes(question, rows, base, square, ends)
        if slopes is not None and np.ptp(slopes) >= np.abs(slopes).max() / 2:
            return [_tell_curve(question, slopes, ends)]
    return []


def _fit_slopes(
    question: Question, rows: IntArray, base: FloatArray, square: FloatArray, ends: FloatArray
) -> FloatArray | None:
    """Slopes per unit at the two `ends` where a square is surely there, None where it is not.

    Least squares with errors by clusters; the treatment is the last column of `base`.
    """
    from scipy.stats import norm

    sides = np.column_stack([square, question.outcome[rows]])
    bent, left = take_out(base, sides).T
    size = float(bent @ bent)
    if size <= 1e-9 * (square @ square):
        return None
    curve = float(bent @ left) / size
    sums = np.bincount(question.cluster[rows], bent * (left - curve * bent))
    if abs(curve) <= norm.isf(_CURVED_P / 4) * np.sqrt(sums @ sums) / size:
        return None
    straight = question.outcome[rows] - curve * square
    line = float(np.linalg.lstsq(base, straight, rcond=None)[0][-1])
    slopes: FloatArray = (line + 2 * curve * ends) * question.unit
    return slopes


def _tell_curve(question: Question, slopes: FloatArray, ends: FloatArray) -> Finding:
    values = np.unique(question.treatment)
    at = question.doses[np.searchsorted(values, ends).clip(max=len(values) - 1)]
    said = (
        f"the outcome follows the treatment in a curve: a unit more goes with {tell_signed(slopes[0])} "
        f"about {at[0]:.3g} and {tell_signed(slopes[1])} about {at[1]:.3g}; one slope says little, "
        "compare two values or ranges of it"
    )
    return "weak", said
