"""What an estimator says to a question, and what it may claim to answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding, Rules
from tasks.effects.estimand import NAMES, Estimand
from tasks.effects.intervals import Interval
from tasks.effects.table.question import Question


@dataclass(frozen=True)
class Options:
    """How to estimate.

    `confidence` is the level of the intervals, `penalty` the ridge penalty of plr ("auto": chosen
    by cross-validation), `is_experiment` says that the treatment was randomised, `seed` fixes
    splits and forests, `repeats` how often folds are dealt (None: by the rows).
    """

    estimand: Estimand
    confidence: float
    penalty: float | Literal["auto"]
    is_experiment: bool
    rules: Rules
    seed: int = 0
    repeats: int | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """One estimator's interval, in outcome units per unit of treatment, and what speaks against it.

    `effect` (n,) holds an effect for every row of the question, for estimators that have them;
    `details` are further plain numbers to show.
    """

    interval: Interval
    findings: tuple[Finding, ...]
    effect: FloatArray | None = None
    details: dict[str, Any] | None = None


@dataclass(frozen=True)
class Estimator:
    """How to answer, and for which questions.

    `estimands` without an experiment, `randomised` with one; `is_binary`: the treatment must have
    two values. `about` says in words what the number is.
    """

    answer: Callable[[Question, Options], Answer]
    estimands: tuple[Estimand, ...]
    about: str
    randomised: tuple[Estimand, ...] | None = None
    is_binary: bool = True

    def refuse(self, question: Question, options: Options) -> str | None:
        """Why this estimator cannot answer, None when it can."""
        if self.is_binary and question.is_treated is None:
            return "it compares two values of a treatment, and this one has more"
        able = self.estimands
        if options.is_experiment and self.randomised is not None:
            able = self.randomised
        if not able:
            return f"it estimates {self.about}; say that this is one with --experiment"
        if options.estimand not in able:
            return f"it estimates {self.about}, not {NAMES[options.estimand]}"
        return None
