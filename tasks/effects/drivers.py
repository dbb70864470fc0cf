"""What moves the rating, from one table in memory: attributes with a polarity, and an outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.agreement import is_elsewhere, measure_agreement
from tasks.effects.controls.attribute_checks import Reviews, check_attribute
from tasks.effects.controls.codes import read_whole
from tasks.effects.controls.columns import (
    build_controls,
    check_columns,
    drop_incomplete,
    read_clusters,
    read_column,
)
from tasks.effects.controls.copies import find_copies
from tasks.effects.corrected import correct_rows
from tasks.effects.credibility import Finding, Rules, weigh_row
from tasks.effects.estimate import (
    HEADLINE,
    Method,
    Window,
    estimate_effects,
)
from tasks.effects.impute import Gold, Labels, Reading
from tasks.effects.intervals import read_interval
from tasks.effects.learned.smooth import widen_controls
from tasks.effects.measured import MIN_GOLD, OUTCOME, Table, table_moments
from tasks.effects.moments import IntArray
from tasks.effects.plr_rows import assign_folds
from tasks.platform.errors import ConfigError, EstimationError, InputError
from tasks.platform.labels import UNDECIDED, read_labels, to_sides

_MAX_CELLS: Final = 40_000_000
"""Floats held in Gram matrices: fewer groups of clusters when the table is wide."""


CONFIDENCE: Final = "__confidence"
"""Ending of the column that says how sure the reading of an attribute is; null: not mentioned."""
_ROW: Final = "__row"
_NO_CONTROLS: Final = (
    "no controls that vary: who wrote about what, such as buyers of cheap items, is taken for an effect; name "
    "what precedes the review with --controls"
)
_NEIGHBOURS: Final = {1: "the row before", -1: "the row after"}


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Rows that can be used, and `read` (n, k), their polarities.

    `numbers` are their positions in the table that was given.
    """

    frame: pl.DataFrame
    read: Labels
    numbers: IntArray
    table: Table
    reviews: Reviews
    notes: tuple[str, ...]


def estimate_drivers(
    frame: pl.DataFrame,
    *,
    outcome: str,
    attributes: Sequence[str],
    controls: Sequence[str] = (),
    cluster: str | None = None,
    method: Method | None = None,
    max_levels: int = 20,
    rules: Rules | None = None,
    gold: pl.DataFrame | None = None,
    prefix: str = "",
    unread: Sequence[int] = (),
) -> list[dict[str, Any]]:
    """Effect of each attribute's polarity on `outcome`, negative to positive, all at once.

    Each attribute is a column of polarities: -1, 0, 1 or "Negative", "Positive", "unknown" (null
    means not mentioned; rows where raters found "no majority" are dropped). Without a cluster
    column every row is its own cluster. `gold`, labels of a random sample of the rows, has the
    columns `row` (position in `frame`) and one for each attribute; with it the effects are
    corrected for misreading (`tasks.effects.measured`), and `frame` needs a column of confidences
    (`<attribute>__confidence`, in [0, 1], null where not mentioned) beside each attribute. `prefix`
    stands before the attributes' names in the names of these columns. `unread` rows of `frame` are
    left out.

    Keys of a row: attribute, contrast, estimate, std_error, ci_low, ci_high, naive, naive_ci_low,
    naive_ci_high, n, n_positive, n_negative, verdict, reasons, p_value, q_value, robustness_value;
    and `uncorrected`, the estimate that takes every reading for true, when there is gold.

    Raises ConfigError, InputError and EstimationError as `estimate_table` does, InputError also for
    labels that go with other rows than their own.
    """
    _check_roles(outcome, attributes, controls)
    method, rules = method or Method(min_mentions=10), rules or Rules()
    columns = {name: prefix + name for name in attributes}
    prepared = _prepare(
        frame, outcome=outcome, columns=columns, controls=controls, cluster=cluster,
        folds=method.folds, max_levels=max_levels, unread=unread,
    )  # fmt: skip
    read = prepared.read
    rows = estimate_effects(
        table_moments(prepared.table, np.arange(len(read)), read[None]),
        window=Window("table", "all", date.min, date.max),
        attributes=attributes,
        outcome=OUTCOME,
        method=method,
        rules=rules,
    )
    rows = [row for row in rows if row["contrast"] == HEADLINE]
    notes = list(prepared.notes)
    if gold is not None:
        sample, dropped = _read_gold(gold, prepared, list(columns.values()), frame.height)
        _check_places(sample, prepared.numbers, read)
        notes += dropped
        reading = _read_confidence(prepared.frame, read, list(columns.values()))
        rows = correct_rows(rows, prepared.table, reading, sample, method=method, rules=rules)
    rows = [weigh_row(row, _check_row(row, prepared)) for row in rows]
    dropped_keys = ("source", "window", "window_start", "window_end", "outcome", "estimator")
    return [
        {key: value for key, value in row.items() if key not in dropped_keys}
        | {"reasons": [*row["reasons"], *notes]}
        for row in rows
    ]


def _check_row(row: dict[str, Any], prepared: _Prepared) -> list[Finding]:
    """What controls and reviews say of the effect of one attribute."""
    if row["estimate"] is None:
        return []
    reviews = prepared.reviews
    against = [*reviews.built.gaps, *([reviews.copies] if reviews.copies else [])]
    findings: list[Finding] = [("weak", said) for said in against]
    if prepared.table.controls.shape[1] == 0:
        findings.append(("weak", _NO_CONTROLS))
    at = prepared.table.attributes.index(row["attribute"])
    return [*findings, *check_attribute(reviews, at, read_interval(row)), *_tell_robustness(row)]


def _tell_robustness(row: dict[str, Any]) -> list[Finding]:
    """How strong a confounder would have to be, of an effect that is told from 0."""
    value = row["robustness_value"]
    if row["estimate"] is None or value is None or row["ci_low"] <= 0 <= row["ci_high"]:
        return []
    if any(reason.startswith("an unobserved confounder") for reason in row["reasons"]):
        return []
    said = (
        f"an unobserved confounder explaining {value:.1%} of what is left of mention and outcome would "
        "bring it to 0"
    )
    return [("credible", said)]


def _prepare(
    frame: pl.DataFrame,
    *,
    outcome: str,
    columns: Mapping[str, str],
    controls: Sequence[str],
    cluster: str | None,
    folds: int,
    max_levels: int,
    unread: Sequence[int],
) -> _Prepared:
    """Rows that have what is needed, one bucket a cluster as far as memory allows.

    `columns` hold the attributes' polarities, by name.
    """
    check_columns(
        frame, [outcome, *columns.values(), *controls, *([] if cluster is None else [cluster])]
    )
    numbered = frame.with_row_index(_ROW).filter(~pl.col(_ROW).is_in(list(unread)))
    kept, notes = drop_incomplete(numbered, [outcome], cluster)
    kept, undecided = _drop_undecided(kept, list(columns.values()))
    if kept.height == 0:
        raise InputError(
            f"none of {numbered.height:,} rows that were read has {outcome} and its attributes"
            if numbered.height
            else f"no review of {frame.height:,} was read, so there is nothing to compare"
        )
    built = build_controls(kept, list(controls), max_levels=max_levels)
    y = read_column(kept[outcome], outcome)
    if np.ptp(y) == 0:
        raise EstimationError(
            f"{outcome} is {y[0]:g} in all {len(y):,} rows that were read; nothing to compare"
        )
    read = _read_labels(kept, list(columns.values()))
    codes, clusters = read_clusters(kept, cluster)
    scaled = (y - y.mean()) / (y.std() or 1.0)
    mentions = np.column_stack([read == 1, read == -1]).astype(np.float64)
    adjusted = widen_controls(built.features, built.matrix, scaled, mentions)
    width = 2 + adjusted.shape[1] + 2 * len(columns)
    n_buckets = max(min(len(clusters), _MAX_CELLS // width**2), folds)
    table = Table(
        controls=adjusted,
        outcome=y,
        bucket=assign_folds(clusters, n_buckets)[codes],
        n_buckets=n_buckets,
        attributes=tuple(columns),
    )
    numbers = kept[_ROW].to_numpy().astype(np.int64)
    copies = find_copies(
        kept, [*columns.values(), *controls], outcome=y,
        known=np.column_stack([read.astype(np.float64), adjusted]), cluster=codes,
        what="outcome, attributes and all controls",
    )  # fmt: skip
    reviews = Reviews(read, y, built, adjusted, read_whole(kept, controls), codes, copies)
    said = (*notes, *undecided, *built.notes)
    return _Prepared(kept, read, numbers, table, reviews, said)


def _read_labels(frame: pl.DataFrame, columns: Sequence[str]) -> Labels:
    """Polarities of shape (n, k)."""
    sides = [to_sides(read_labels(frame[name])) for name in columns]
    return np.column_stack(sides).astype(np.int8)


def _read_gold(
    gold: pl.DataFrame, prepared: _Prepared, columns: Sequence[str], height: int
) -> tuple[Gold, list[str]]:
    """Labels of rows that can be used, and how many could not."""
    check_columns(gold, ["row", *columns])
    numbers = gold["row"].cast(pl.Int64).to_numpy()
    if len(set(numbers.tolist())) < len(numbers):
        raise InputError("some reviews are labelled twice in the gold file; keep one line each")
    if ((numbers < 0) | (numbers >= height)).any():
        raise InputError(f"gold rows run to {numbers.max()}; the table has rows 0 to {height - 1}")
    decided, notes = _drop_undecided(gold, columns)
    place = {int(number): position for position, number in enumerate(prepared.numbers)}
    is_used = decided["row"].cast(pl.Int64).is_in(list(place))
    if not is_used.all():
        notes.append(f"{(~is_used).sum():,} labelled reviews are not among the rows that are used")
    used = decided.filter(is_used)
    rows = np.array([place[int(number)] for number in used["row"]], dtype=np.int64)
    return Gold(rows, _read_labels(used, columns)), [f"gold: {note}" for note in notes]


def _check_places(gold: Gold, numbers: IntArray, read: Labels) -> None:
    """Raise InputError where labels go with the rows beside theirs; `read` (n, k) are of `numbers`."""
    own = measure_agreement(read[gold.rows], gold.polarity)
    if own is None or own.is_found:
        return
    place = {int(number): position for position, number in enumerate(numbers)}
    for step, which in _NEIGHBOURS.items():
        beside = np.array([place.get(int(numbers[row]) - step, -1) for row in gold.rows])
        known = beside >= 0
        if known.sum() < MIN_GOLD:
            continue
        other = measure_agreement(read[beside[known]], gold.polarity[known])
        if other is not None and is_elsewhere(own, other):
            raise InputError(
                f"the labels agree with what was read in {own.share:.0%} of cases, as by chance "
                f"({own.by_chance:.0%}), but with {which} in {other.share:.0%}: rows are counted from "
                f"0, the first review being row 0; {'subtract' if step == 1 else 'add'} 1, or label by review_id"
            )


def _read_confidence(frame: pl.DataFrame, read: Labels, columns: Sequence[str]) -> Reading:
    """What was read, and how surely; nothing read is no mention."""
    confidence = np.column_stack([
        read_column(frame[name + CONFIDENCE], name + CONFIDENCE) for name in columns
    ])  # fmt: skip
    return Reading(read, ~np.isnan(confidence), np.nan_to_num(confidence))


def _drop_undecided(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    is_split = np.zeros(frame.height, dtype=bool)
    for name in columns:
        is_split |= read_labels(frame[name]) == UNDECIDED
    if not is_split.any():
        return frame, []
    note = f"{is_split.sum():,} rows with 'no majority' on an attribute were dropped"
    return frame.filter(pl.Series(~is_split)), [note]


def _check_roles(outcome: str, attributes: Sequence[str], controls: Sequence[str]) -> None:
    if not attributes:
        raise ConfigError("no attributes are named; name at least one")
    named = [outcome, *attributes, *controls]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ConfigError(f"{twice} are named twice among outcome, attributes and controls")
