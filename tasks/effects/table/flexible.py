"""Flexible answers: doubly robust, weighted and forest estimates of a two-valued treatment.

All of them stand on the same cross-fitted predictions of the question, which are learned once.
"""

from typing import Any, Final

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.intervals import Interval, make_interval
from tasks.effects.learned.balance import estimate_balance
from tasks.effects.learned.cate import CateFit, estimate_cate
from tasks.effects.learned.forest import estimate_forest
from tasks.effects.learned.ipw import estimate_ipw
from tasks.effects.learned.irm import CLIP, IrmFit, estimate_irm, find_lonely, split_nuisances
from tasks.effects.learned.nuisance import Nuisances, average_nuisances
from tasks.effects.table.answer import Answer, Options
from tasks.effects.table.question import Question

FOLDS: Final = 5
REPEATS: Final = ((1_000, 3),)
"""Deals into folds of tables up to so many rows: a single one is a lottery there. Others get one."""
WEAK_CLIPPED: Final = 0.05


def count_repeats(rows: int) -> int:
    """How often a table of so many rows is dealt into folds."""
    return next((times for most, times in REPEATS if rows <= most), 1)


def learn(question: Question, options: Options) -> list[Nuisances]:
    """Cross-fitted predictions of the question, one for each deal into folds; learned once."""
    repeats = options.repeats or count_repeats(question.n)
    key = ("nuisances", options.seed, repeats)
    if key not in question.memo:
        question.memo[key] = split_nuisances(
            question.features, question.controls, question.raw_outcome, question.arms,
            cluster=question.cluster, folds=min(FOLDS, len(question.clusters)), repeats=repeats,
            seed=options.seed,
        )  # fmt: skip
    found: list[Nuisances] = question.memo[key]
    return found


def fit_irm(question: Question, options: Options) -> IrmFit:
    """The doubly robust fit, in outcome units for the step from one treatment to the other."""
    return estimate_irm(
        question.features, question.controls, question.raw_outcome, question.arms,
        cluster=question.cluster, estimand=options.estimand, splits=learn(question, options),
    )  # fmt: skip


def answer_irm(question: Question, options: Options) -> Answer:
    """Outcome models of both treatments, corrected by weighting (AIPW)."""
    fit = fit_irm(question, options)
    clipped, findings = check_clipped(question, options)
    if fit.robustness_value is not None and not options.is_experiment:
        note = (
            f"an unobserved confounder explaining {fit.robustness_value:.1%} of what controls leave "
            "of treatment and outcome would bring irm to 0"
        )
        findings.append(("credible", note))
    details = {"robustness_value": fit.robustness_value, "clipped": clipped}
    return Answer(_interval(question, options, fit), tuple(findings), details=details)


def answer_balance(question: Question, options: Options) -> Answer:
    """The same outcome models, corrected by weights that balance what they may have missed."""
    fit = estimate_balance(
        question.raw_outcome, question.arms, splits=learn(question, options),
        cluster=question.cluster, estimand=options.estimand,
    )  # fmt: skip
    clipped, findings = check_clipped(question, options)
    return Answer(_interval(question, options, fit), tuple(findings), details={"clipped": clipped})


def answer_ipw(question: Question, options: Options) -> Answer:
    """Weighting alone: by the propensities, and until the controls agree."""
    splits = learn(question, options)
    fit = estimate_ipw(
        average_nuisances(splits).propensity, question.raw_outcome, question.arms,
        cluster=question.cluster, basis=question.controls, features=question.features,
        estimand=options.estimand,
    )  # fmt: skip
    clipped, findings = check_clipped(question, options)
    details = {
        "effective_treated": fit.effective_treated,
        "effective_untreated": fit.effective_untreated,
        "clipped": clipped,
    }
    return Answer(_interval(question, options, fit), tuple(findings), details=details)


def answer_forest(question: Question, options: Options) -> Answer:
    """A causal forest: an effect for every row, and their doubly robust average."""
    fit = estimate_forest(
        question.features, question.raw_outcome, question.arms,
        average_nuisances(learn(question, options)), cluster=question.cluster,
        estimand=options.estimand, confidence=options.confidence, seed=options.seed,
    )  # fmt: skip
    question.memo["forest"] = fit.effect
    clipped, findings = check_clipped(question, options)
    return Answer(_interval(question, options, fit), tuple(findings), details={"clipped": clipped})


def find_effects(question: Question, options: Options) -> CateFit:
    """An effect for every row, by the best mixture of learners; in outcome units."""
    return estimate_cate(
        question.features, question.controls, question.raw_outcome, question.arms,
        average_nuisances(learn(question, options)), cluster=question.cluster,
        folds=min(FOLDS, len(question.clusters)), forest_effect=question.memo.get("forest"),
        seed=options.seed,
    )  # fmt: skip


def describe_effects(question: Question, fit: CateFit) -> dict[str, Any]:
    """How well rows' effects are told apart, with the two trivial baselines beside."""
    found = fit.heterogeneity
    return {
        "chosen": fit.chosen,
        "losses": [vars(loss) for loss in fit.losses],
        "slope": found.slope,
        "slope_error": found.slope_error,
        "p_value": found.p_value,
        "spread": float(fit.effect.std()) / question.gap,
    }


def check_clipped(question: Question, options: Options) -> tuple[int, list[Finding]]:
    """Rows of the estimand that have next to no chance of the other treatment, and what of it.

    Untreated rows that are never treated count for nothing in the effect on the treated, and speak
    against it as little.
    """
    chance = average_nuisances(learn(question, options)).propensity
    asked = {"ate": question.n, "att": question.arms.sum(), "atc": (1 - question.arms).sum()}
    count, of = (
        int(find_lonely(chance, estimand=options.estimand).sum()),
        int(asked[options.estimand]),
    )
    if count <= WEAK_CLIPPED * of:
        return count, []
    sides = {
        "ate": f"beyond {CLIP:g} or {1 - CLIP:g}", "att": f"over {1 - CLIP:g}",
        "atc": f"under {CLIP:g}",
    }  # fmt: skip
    said = (
        f"{count:,} rows have a chance of treatment {sides[options.estimand]} and are weighted as if "
        "it were there; the models speak for them"
    )
    return count, [("weak", said)]


def _interval(question: Question, options: Options, fit: Any) -> Interval:
    influence: FloatArray = fit.influence
    groups = len(question.clusters) if len(question.clusters) < len(influence) else len(influence)
    interval = make_interval(
        fit.estimate, fit.std_error, degrees=max(groups - 1, 1), confidence=options.confidence
    )
    return question.per_unit(interval)
