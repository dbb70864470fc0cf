"""A causal question made ready: one outcome, one treatment and controls, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray
from tasks.effects.controls.codes import find_codes, read_whole
from tasks.effects.controls.columns import (
    add_texts,
    build_controls,
    check_columns,
    drop_incomplete,
    read_clusters,
    read_column,
)
from tasks.effects.controls.copies import find_copies
from tasks.effects.controls.dealt import find_dealt
from tasks.effects.controls.order import order_rows
from tasks.effects.controls.words import Text
from tasks.effects.intervals import Interval
from tasks.effects.moments import IntArray
from tasks.effects.plr_rows import assign_folds
from tasks.platform.errors import ConfigError, EstimationError

MIN_ROWS: Final = 10
_EXPLAINED: Final = 1e-6
_LEAST: Final = 1e-100
"""Deviation of a column whose square can still be told from nought."""
_ROW: Final = "whyrec:row"


@dataclass(frozen=True, eq=False)
class Question:
    """A table made ready: n rows of one outcome, one treatment and p controls.

    `outcome` and `treatment` (n,) are centred and scaled to unit deviation; `unit` takes an effect
    back to outcome units per unit of treatment. `controls` (n, p) are centred and scaled and called
    `control_names`; `features` (n, f) are the same controls for trees: numbers as they stand (NaN
    where missing) and one column for each of the larger levels. `cluster` (n,) holds codes 0 to
    G - 1, `clusters` their G names, and `folds` how many folds they are dealt into. `is_treated` (n,) is 0 or 1, None when
    the treatment has more than two values. Rows stand by what they hold, not as they came; `row` (n,) are the rows' places in the table that came
    in, which had `height` rows. `spread` is the outcome's deviation, `gap` the treatment's range,
    `doses` its distinct values in order; `gaps` say which controls adjust for nothing, lack in
    many rows or look like codes, `hole` which is missing in most rows, and their share, `shared` which have
    levels that share a column, and `in_part` where many rows lie there (see `columns.Controls`);
    `copies` says how many rows equal others, and `dealt` which column tells groups that were treated alike
    and go together, each empty where that is no fault. `memo` keeps what was learned, for the next who asks.
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
    control_names: tuple[str, ...]
    features: FloatArray
    row: IntArray
    height: int
    spread: float
    gap: float
    doses: FloatArray
    gaps: tuple[str, ...] = ()
    copies: str = ""
    dealt: str = ""
    hole: tuple[str, float] = ("", 0.0)
    shared: tuple[tuple[str, IntArray], ...] = ()
    in_part: Mapping[str, str] = field(default_factory=dict)
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.outcome)

    @property
    def arms(self) -> IntArray:
        """`is_treated`, for estimators that need two values of the treatment."""
        if self.is_treated is None:
            raise EstimationError("the treatment has more than two values; compare two of them")
        return self.is_treated

    @property
    def raw_outcome(self) -> FloatArray:
        """Outcome about its mean, in its own units."""
        raw: FloatArray = self.outcome * self.spread
        return raw

    def per_unit(self, interval: Interval) -> Interval:
        """Effect of going from one of two values to the other, as effect per unit of treatment."""
        return stretch(interval, 1 / self.gap)

    def deal_folds(self, *, salt: str = "") -> IntArray:
        """Fold of each cluster, shape (G,); another salt deals them anew."""
        return assign_folds([salt + name for name in self.clusters], self.folds)

    def scale(self, interval: Interval) -> Interval:
        """`interval` in outcome units per unit of treatment."""
        return stretch(interval, self.unit)


def stretch(interval: Interval, factor: float) -> Interval:
    """`interval` times a positive `factor`."""
    return Interval(
        interval.estimate * factor,
        interval.std_error * factor,
        interval.ci_low * factor,
        interval.ci_high * factor,
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
    vectors: Mapping[str, FloatArray] | None = None,
) -> Question:
    """Check the columns, drop what is incomplete, fit the control basis, deal out folds.

    Rows are taken in an order of their own (`order.order_rows`), so that the same rows in another order
    give the same answer.

    `vectors` are embeddings of text columns that are controls, shape (rows of `frame`, dim) each.
    """
    controls = list(dict.fromkeys(controls))
    _check_roles(outcome, treatment, [*controls, *(vectors or {})])
    check_columns(
        frame,
        [outcome, treatment, *controls, *(vectors or {}), *([] if cluster is None else [cluster])],
    )
    frame = frame.with_columns(pl.Series(_ROW, np.arange(frame.height)))
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
        if values.std() < _LEAST:
            raise EstimationError(
                f"{name} runs from {values.min():g} to {values.max():g}, too fine for arithmetic; give "
                "it in another unit"
            )
    known = list(dict.fromkeys([*controls, *(vectors or {}), *([cluster] if cluster else [])]))
    order = order_rows([pl.Series(d), pl.Series(y), *(kept[name] for name in known)])
    kept, y, d = kept[order], y[order], d[order]
    row = kept[_ROW].to_numpy()
    built = build_controls(kept, controls, max_levels=max_levels)
    built = add_texts(built, _read_texts(kept, vectors or {}), (d, y))
    codes, clusters = read_clusters(kept, cluster)
    folds = min(folds, len(clusters))
    values = np.unique(d)
    looks = find_codes(read_whole(kept, controls), built.matrix, d, y, codes)
    copies = find_copies(
        kept,
        list(dict.fromkeys([treatment, *controls, *(vectors or {})])),
        outcome=y,
        known=np.column_stack([d, built.matrix]),
        cluster=codes,
    )
    dealt = ""
    if cluster is None:
        others = [name for name in frame.columns if name not in (outcome, treatment, _ROW)]
        dealt = find_dealt(
            kept, others, treatment=d, outcome=y, known=built.matrix, controls=controls
        )
    question = Question(
        outcome=_standardise(y),
        treatment=_standardise(d),
        unit=float(y.std() / d.std()),
        controls=built.matrix,
        cluster=codes,
        clusters=tuple(clusters),
        folds=folds,
        is_treated=(d == values[1]).astype(np.int64) if len(values) == 2 else None,
        notes=(*notes, *built.notes),
        gaps=(*built.gaps, *looks),
        copies=copies,
        dealt=dealt,
        hole=built.hole,
        shared=built.shared,
        in_part=built.in_part,
        control_names=built.names,
        features=built.features,
        row=row,
        height=frame.height,
        spread=float(y.std()),
        gap=float(np.ptp(d)),
        doses=values,
    )
    _check_not_explained(question, treatment)
    return question


def _read_texts(kept: pl.DataFrame, vectors: Mapping[str, FloatArray]) -> dict[str, Text]:
    """Text controls of the rows that were kept; a missing text is the empty one."""
    row = kept[_ROW].to_numpy()
    return {
        name: Text(kept[name].cast(pl.String).fill_null("").to_list(), part[row])
        for name, part in vectors.items()
    }


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
    if not 0 < question.controls.shape[1] < question.n - 1:
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
