"""One effect for all rows, given what learners know of the controls."""

import numpy as np

from tasks.effects.answer import Answer, Options
from tasks.effects.answer_linear import conclude_fit, widen_controls
from tasks.effects.learned import fit_learned
from tasks.effects.plr import Fit
from tasks.effects.question import Question


def fit_dml(question: Question, options: Options) -> Fit:
    """The slope between what learners leave of outcome and treatment, in scaled units; fitted once."""
    key = ("dml", options.seed)
    if key not in question.memo:
        question.memo[key] = fit_learned(
            question.features, question.controls,
            np.column_stack([question.treatment, question.outcome]), question.cluster,
            question.deal_folds()[question.cluster], question.folds, treatments=("treatment",),
            seed=options.seed,
        )  # fmt: skip
    fit: Fit = question.memo[key]
    return fit


def answer_dml(question: Question, options: Options) -> Answer:
    """The partially linear model, with learners in place of lines."""
    width = 2 + widen_controls(question).shape[1]
    fit = fit_dml(question, options)
    return conclude_fit(question, fit, options, name="dml", n_columns=width)
