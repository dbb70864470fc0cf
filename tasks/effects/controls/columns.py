"""Columns of a table in memory, checked and made ready for an estimate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import (
    MISSING,
    Basis,
    CategoricalTerm,
    FloatArray,
    discover_spec,
    fit_basis,
    read_levels,
    read_numbers,
)
from tasks.effects.controls.sentinels import blank_sentinels
from tasks.effects.controls.texts import Components, reduce_vectors
from tasks.effects.controls.weekdays import add_calendar, read_days
from tasks.effects.controls.words import (
    Chosen,
    Text,
    choose_columns,
    mark_empty,
    measure_empty,
    measure_length,
    measure_numbers,
)
from tasks.effects.gaps import MUCH, code_shared
from tasks.effects.moments import IntArray, factorise
from tasks.effects.read import TWICE
from tasks.platform.errors import EstimationError, InputError
from tasks.platform.labels import NO_MAJORITY

SMALL_ROWS: Final = 200
_LEVEL_ROWS: Final = 20
"""So many rows of a table allow one level of a category a column of its own."""
_MOST_LEVELS: Final = 200
_SHOWN: Final = 8
_ANSWERS: Final = (
    ("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"),
    ("control", "treatment"), ("control", "treated"), ("untreated", "treated"),
)  # fmt: skip
"""Words for 0 and 1."""


def check_names(frame: pl.DataFrame, names: Sequence[str]) -> None:
    """Raise InputError for names that are not columns, with the nearest that are."""
    for name in names:
        if f"{name}{TWICE}" in frame.columns:
            raise InputError(f"column {name} is there more than once in the table; rename one")
        if name not in frame.columns:
            near = get_close_matches(name, frame.columns, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"it has {frame.columns[:30]}"
            raise InputError(f"there is no column {name!r} in the table; {hint}")


def check_columns(frame: pl.DataFrame, names: Sequence[str]) -> None:
    """Raise InputError as `check_names`, and for columns of lists, fields or bytes."""
    check_names(frame, names)
    for name in names:
        dtype = frame.schema[name]
        if dtype.is_nested() or dtype in (pl.Object, pl.Binary):
            raise InputError(
                f"column {name} holds {dtype}, and one number or text a row is needed; name another, or "
                "give what counts of it a column of its own"
            )


def drop_incomplete(
    frame: pl.DataFrame, needed: Sequence[str], cluster: str | None
) -> tuple[pl.DataFrame, list[str]]:
    """Rows that have all of `needed` (as numbers) and a cluster; what was dropped, in words."""
    notes = []
    for name in needed:
        is_there = ~np.isnan(read_column(frame[name], name))
        if not is_there.all():
            notes.append(_tell_dropped(frame[name], int((~is_there).sum())))
        if answers := _find_answers(frame[name]):
            notes.append(f"of {name}, {answers[1]!r} is read as 1 and {answers[0]!r} as 0")
        frame = frame.filter(pl.Series(is_there))
    if cluster is not None and frame[cluster].dtype.is_float():
        frame = frame.with_columns(pl.col(cluster).fill_nan(None))
    if cluster is not None and frame[cluster].null_count():
        notes.append(f"{frame[cluster].null_count():,} rows without {cluster} were dropped")
        frame = frame.filter(pl.col(cluster).is_not_null())
    return frame, notes


def _tell_dropped(series: pl.Series, count: int) -> str:
    """How many rows have no usable number in a column; boundless ones are named."""
    note = f"{count:,} rows without {series.name} were dropped"
    boundless = int(series.is_infinite().sum()) if series.dtype.is_float() else 0
    return f"{note}, of them {boundless:,} where it is infinite" if boundless else note


def read_column(series: pl.Series, name: str) -> FloatArray:
    """`series` as numbers with NaN for missing; raises InputError when it holds text.

    Of a text column that holds but the words of a pair (no and yes, control and treatment, …; capitals do
    not count) the first is 0 and the second 1.
    """
    if answers := _find_answers(series):
        words = series.str.strip_chars().str.to_lowercase()
        series = words.replace({answers[0]: "0", answers[1]: "1"})
    values = read_numbers(series)
    if series.dtype == pl.String or not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        is_said = series.is_not_null() & (series.cast(pl.String).str.to_lowercase() != NO_MAJORITY)
        is_text = np.isnan(values) & is_said.fill_null(value=False).to_numpy()
        if is_text.any():
            example = repr(series.filter(pl.Series(is_text))[0])[:40]
            raise InputError(
                f"{name} must be numbers or ISO dates, found {series.dtype} such as {example}; recode it, "
                "for instance as 0 and 1"
            )
    return values


def _find_answers(series: pl.Series) -> tuple[str, str] | None:
    """The pair that all words of a text column are of; None where it holds others, or none."""
    if series.dtype != pl.String:
        return None
    words = set(series.drop_nulls().str.strip_chars().str.to_lowercase().unique())
    words -= {"", NO_MAJORITY}
    return next((pair for pair in _ANSWERS if words and words <= set(pair)), None)


@dataclass(frozen=True, eq=False)
class Controls:
    """Controls of a table, once for linear models and once for trees.

    `matrix` (n, p) is centred and scaled, its columns are called `names`; `features` (n, f) are
    numbers as they stand, NaN where missing, and one column for each of the larger levels. `gaps`
    say which controls adjust for nothing or lack in many rows; `hole` is the control missing in most
    rows, but not in all, and their share; `shared` are categories some levels of which share one column,
    with codes (n,) of these levels, -1 in the other rows, and `in_part` says by name where these are
    over a tenth of the rows.
    """

    matrix: FloatArray
    names: tuple[str, ...]
    features: FloatArray
    notes: tuple[str, ...]
    gaps: tuple[str, ...] = ()
    hole: tuple[str, float] = ("", 0.0)
    shared: tuple[tuple[str, IntArray], ...] = ()
    in_part: Mapping[str, str] = field(default_factory=dict)


def build_controls(frame: pl.DataFrame, controls: Sequence[str], *, max_levels: int) -> Controls:
    """Controls in the table's own basis; small tables get straight lines, large ones more levels.

    A category has up to `max_levels` levels with a column each, or one for every twentieth row. Dates
    (20240331 is one) bring their days of the week and months along; numbers that stand for "missing" are missing.
    """
    if not controls:
        nothing = np.zeros((frame.height, 0))
        return Controls(nothing, (), nothing, ())
    is_small = frame.height < SMALL_ROWS
    check_columns(frame, controls)
    frame, codes = blank_sentinels(frame, controls)
    frame, days = read_days(frame, controls)
    frame, known = add_calendar(frame, controls, is_small=is_small)
    allowed = max(max_levels, min(frame.height // _LEVEL_ROWS, _MOST_LEVELS))
    spec = discover_spec(frame, known, max_levels=min(max_levels, 5) if is_small else allowed)
    spec = spec.straight() if is_small else spec
    basis = fit_basis(frame, spec)
    holes = {name: _count_missing(frame[name]) / frame.height for name in controls}
    matrix = basis.transform(frame)
    flat = [name for name in controls if name in basis.dropped and name in spec.numeric]
    in_part, idle = _describe_rest(frame, basis, spec.min_level_rows)
    # Trees see the largest levels only: the others cost them much and are left to the lines.
    large = {
        f"{t.name}={level}"
        for t in _list_categories(basis)
        for level in t.levels[1 : max_levels + 1]
    }
    levels = [i for i, name in enumerate(basis.names) if name in large]
    numbers = [read_numbers(frame[name]) for name in spec.numeric if name not in flat]
    return Controls(
        matrix=matrix,
        names=basis.names,
        features=np.column_stack([*numbers, matrix[:, levels]]),
        notes=(
            *(f"control {name} does not vary" for name in flat),
            *codes,
            *days,
            *_describe_missing(holes, few=True),
        ),
        gaps=(
            *idle,
            *_describe_missing(holes, few=False),
        ),
        hole=_choose_hole(holes.items()),
        shared=_find_shared(frame, basis),
        in_part=in_part,
    )


def _count_missing(series: pl.Series) -> int:
    if series.dtype.is_numeric() or series.dtype.is_temporal():
        return int(np.isnan(read_numbers(series)).sum())
    return series.null_count()


def _choose_hole(holes: Iterable[tuple[str, float]]) -> tuple[str, float]:
    """The control that most rows lack, but not all."""
    some = (item for item in holes if item[1] < 1)
    return max(some, key=lambda item: item[1], default=("", 0.0))


def _describe_missing(holes: Mapping[str, float], *, few: bool) -> list[str]:
    """Controls with values missing, in few rows or in many: a column of its own says which."""
    return [
        f"control {name} is missing in {share:.{1 if share < MUCH else 0}%} of the rows: these are told "
        "apart from the others, but not adjusted for what it was"
        for name, share in holes.items()
        if share > 0 and (share <= MUCH) == few
    ]


def _list_categories(basis: Basis) -> list[CategoricalTerm]:
    return [term for term in basis.terms if isinstance(term, CategoricalTerm)]


def _find_shared(frame: pl.DataFrame, basis: Basis) -> tuple[tuple[str, IntArray], ...]:
    """Categories of which some rows lie in levels that share a column, with codes of these levels."""
    found = []
    for term in _list_categories(basis):
        codes = code_shared(frame[term.name], term)
        if (codes >= 0).any():
            found.append((term.name, codes))
    return tuple(found)


def _describe_rest(
    frame: pl.DataFrame, basis: Basis, least_rows: int
) -> tuple[dict[str, str], list[str]]:
    """Categorical controls of which over a tenth of the rows lie in levels that share one column.

    By name, how far they are adjusted for; and of those that no level of which has `least_rows` rows,
    that they adjust for nothing.
    """
    in_part, idle = {}, []
    for term in _list_categories(basis):
        levels = read_levels(frame[term.name])
        levels = levels.filter(levels != MISSING)
        rest = levels.filter(~levels.is_in(list(term.levels)))
        if rest.len() <= MUCH * frame.height:
            continue
        if int(levels.unique_counts().to_numpy().max()) < least_rows:
            idle.append(
                f"control {term.name} adjusts for nothing: none of its {levels.n_unique():,} levels has "
                f"{least_rows} rows; group them, or give numbers that tell them apart"
            )
            continue
        in_part[term.name] = (
            f"control {term.name} is adjusted for in part: {rest.n_unique():,} of its "
            f"{levels.n_unique():,} levels, with {rest.len() / frame.height:.0%} of the rows, share one column"
        )
    return in_part, idle


def add_texts(
    controls: Controls, parts: Mapping[str, Text], targets: Sequence[FloatArray]
) -> Controls:
    """Each text column as further controls: its main directions, its length, and chosen words.

    `targets` are treatment and outcome (n,), which the words are chosen by. Rows without a text are told
    apart from the others, as those are that lack a number.
    """
    for name, part in parts.items():
        main = reduce_vectors(part.vectors)
        k = main.scores.shape[1]
        lesser = reduce_vectors(part.vectors, max_components=part.vectors.shape[1]).scores[:, k:]
        numbers = measure_numbers(part.texts)
        lack, holes = mark_empty(part.texts), {name: measure_empty(part.texts)}
        scores = np.column_stack([main.scores, measure_length(part.texts), lack, numbers])
        known = np.column_stack([controls.matrix, scores])
        chosen = choose_columns(part, main.scores, lesser, known, targets)
        columns = np.column_stack([scores, chosen.columns])
        columns = columns[:, np.ptp(columns, axis=0) > 0]
        controls = replace(
            controls,
            matrix=np.column_stack([controls.matrix, columns]),
            names=(*controls.names, *(f"{name}:text{i + 1}" for i in range(columns.shape[1]))),
            features=np.column_stack([controls.features, columns]),
            notes=(
                *controls.notes,
                _describe_text(name, main, chosen, numbers)
                if columns.shape[1]
                else f"control {name} does not vary",
                *_describe_missing(holes, few=True),
            ),
            gaps=(*controls.gaps, *_describe_missing(holes, few=False)),
            hole=_choose_hole([controls.hole, *holes.items()]),
        )
    return controls


def _describe_text(name: str, main: Components, chosen: Chosen, numbers: FloatArray) -> str:
    k = main.scores.shape[1]
    note = f"{name} is controlled for by {k} components, {main.share:.0%} of its variance"
    if numbers.shape[1]:
        note += ", by the numbers in it"
    if chosen.words:
        shown = ", ".join(chosen.words[:_SHOWN]) + (" ..." if len(chosen.words) > _SHOWN else "")
        note += f", by {len(chosen.words)} words that foretell treatment or outcome ({shown})"
    if chosen.others:
        note += f", and by {chosen.others} looks, lesser or bent components and topics that foretell them"
    return note


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
