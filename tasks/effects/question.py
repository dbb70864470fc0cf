"""A causal question made ready: one outcome, one treatment and controls, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray
from tasks.effects.columns import (
    build_controls,
    check_columns,
    drop_incomplete,
    read_clusters,
    read_column,
)
from tasks.effects.moments import IntArray
from tasks.effects.plr import Interval, assign_folds
from tasks.platform.errors import ConfigError, EstimationError

MIN_ROWS: Final = 10
_EXPLAINED: Final = 1e-6


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
