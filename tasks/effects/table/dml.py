"""One effect for all rows, given what learners know of the controls.

What stacked learners leave of the treatment and of the outcome, every row foretold by learners that
saw none of its fold, so that bends and what controls do together are taken out of both (the partially
linear model of double machine learning: Chernozhukov et al. 2018, section 4.1).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.effects.intervals import t_quantile
from tasks.effects.learned.nuisance import cross_fit_mean
from tasks.effects.plr import Fit, measure_spread
from tasks.effects.plr_rows import solve_rows
from tasks.effects.table.answer import Answer, Options
from tasks.effects.table.linear import ONE, conclude_fit, find_wide_controls, fit_plr
from tasks.effects.table.question import Question

_SURE: Final = 0.99


@dataclass(frozen=True)
class Shift:
    """How far learners move an effect on the same rows, and how far chance alone would."""

    gap: float
    reach: float

    @property
    def is_real(self) -> bool:
        """Beyond chance."""
        return abs(self.gap) > self.reach


def fit_dml(question: Question, options: Options) -> Fit:
    """The slope between what learners leave of outcome and treatment, in scaled units."""
    fold = question.deal_folds()[question.cluster]
    sides = np.column_stack([question.treatment, question.outcome])
    left = np.column_stack([
        side - cross_fit_mean(
            question.features, question.controls, side, fold, question.folds, seed=options.seed
        )
        for side in sides.T
    ])  # fmt: skip
    whole = np.column_stack([np.ones(question.n), sides])
    spread = measure_spread(whole.T @ whole, np.array([1]))
    return solve_rows(left, question.cluster, treatments=("treatment",), total_variance=spread)


def measure_shift(question: Question, options: Options) -> Shift:
    """What learners add to plr on the same rows, in scaled units.

    The error of the difference is that of the difference of the clusters' influences (Hausman 1978,
    "Specification tests in econometrics").
    """
    plain, learned = fit_plr(question, options), fit_dml(question, options)
    error = float(np.linalg.norm(learned.influence - plain.influence))
    reach = t_quantile(learned.degrees(ONE), max(options.confidence, _SURE)) * error
    return Shift(float(learned.theta[0] - plain.theta[0]), reach)


def answer_dml(question: Question, options: Options) -> Answer:
    """The partially linear model, with learners in place of lines."""
    width = 2 + find_wide_controls(question).shape[1]
    fit = fit_dml(question, options)
    return conclude_fit(question, fit, options, name="dml", n_columns=width)
