"""What speaks against any answer to a question, whoever gives it."""

from typing import Final

import numpy as np

from tasks.effects.answer import Options
from tasks.effects.answer_linear import MIN_ARM_ROWS
from tasks.effects.credibility import Finding
from tasks.effects.experiment import check_balance, check_sample_ratio
from tasks.effects.intervals import effective_size
from tasks.effects.overlap import Overlap, check_overlap, fit_propensity, measure_overlap
from tasks.effects.question import Question

THIN_ROWS: Final = 50
_CODES: Final = 10
_MAIN_SHARE: Final = 0.8


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

    For an experiment whether it was one: arms of the expected size, covariates that agree. Raises
    ConfigError for an expected share outside (0, 1).
    """
    findings: list[Finding] = []
    if question.n < THIN_ROWS:
        findings.append(("weak", f"only {question.n} rows"))
    findings += _check_clusters(question, options)
    if overlap is not None:
        findings += check_overlap(overlap)
        arm = min(overlap.n_treated, overlap.n_untreated)
        if arm < MIN_ARM_ROWS:
            findings.append(("not credible", f"only {arm} rows in the smaller arm"))
    else:
        findings += _check_doses(question)
    if options.is_experiment and question.is_treated is not None:
        findings += check_sample_ratio(question.is_treated, expected_share)
        findings += check_balance(question.controls, question.is_treated)
    elif question.controls.shape[1] == 0:
        findings.append(
            ("weak", "no controls: this is causal only if the treatment was assigned at random")
        )
    if not options.is_experiment:
        findings += [("weak", gap) for gap in question.gaps]
    return findings


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


def _check_doses(question: Question) -> list[Finding]:
    """A treatment of more than two values: what the number is, and whether the values look like codes."""
    values, counts = np.unique(question.treatment, return_counts=True)
    raw = question.doses
    what = (
        f"the treatment has {len(values):,} values from {raw[0]:g} to {raw[-1]:g}: the effect is per "
        "unit of it, by plr or diff; other estimators compare two values"
    )
    if len(values) > _CODES or np.sort(counts)[-2:].sum() < _MAIN_SHARE * question.n:
        return [("credible", what)]
    shares = ", ".join(
        f"{value:g} in {count:,} rows" for value, count in zip(raw, counts, strict=True)
    )
    return [("weak", f"{what}; {shares}: if some are codes, drop those rows or recode them")]
