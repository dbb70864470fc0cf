"""A table's columns as variables of a causal graph: one variable per column, ranked, none repeated.

Numbers, dates and flags become one column of normal scores; text with two levels becomes 0 and 1;
text with more becomes a block of indicators that is tested as one variable. What cannot stand in a
correlation matrix (columns that do not vary, repeat others, or name every row) is set aside with
the reason, so that no search ever meets a singular matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray, read_numbers
from tasks.effects.controls.columns import check_columns, check_names, read_clusters
from tasks.effects.moments import IntArray
from tasks.platform.errors import ConfigError, EstimationError

MIN_ROWS: Final = 30
ROWS_PER_COLUMN: Final = 5
MIN_LEVEL_ROWS: Final = 5
_REPEATED: Final = 1e-6
"""A column of which the others leave less of the variance than this adds nothing but trouble."""
_TEXT: Final = (pl.String, pl.Categorical, pl.Enum)
RANK_NOTE: Final = (
    "columns were replaced by the normal scores of their ranks: the tests look for monotone "
    "relations, and miss one that rises and falls"
)


@dataclass(frozen=True)
class Roles:
    """Which columns stand in the graph, the tier of each (0 is the earliest), and the cluster."""

    columns: tuple[str, ...]
    tiers: tuple[int, ...]
    cluster: str | None


@dataclass(frozen=True)
class SetAside:
    """A column that could not be a variable, and why.

    `is_unseen`: what it says stands in no other column, so that it may confound. `tier` as in
    `Roles`.
    """

    column: str
    reason: str
    is_unseen: bool = False
    tier: int = 0


@dataclass(frozen=True, eq=False)
class Variables:
    """p variables in q columns of n rows.

    `scores` (n, q) are centred and scaled to unit deviation, `blocks[i]` are the columns of
    variable i, `tiers[i]` its tier. `cluster` (n,) holds codes from 0.
    """

    names: tuple[str, ...]
    tiers: tuple[int, ...]
    scores: FloatArray
    blocks: tuple[tuple[int, ...], ...]
    cluster: IntArray
    set_aside: tuple[SetAside, ...]
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.scores)


def assign_tiers(
    columns: Sequence[str], tiers: Sequence[Sequence[str]], *, cluster: str | None = None
) -> Roles:
    """The tier of each column; without tiers all share one, without columns the tiers name them.

    Raises ConfigError for a column in two tiers, in none, or named as the cluster too.
    """
    named = [name for tier in tiers for name in tier]
    columns = list(dict.fromkeys(columns or named))
    if len(columns) < 2:
        raise ConfigError(f"a graph needs at least 2 columns, found {columns}; name more")
    if cluster in columns:
        raise ConfigError(f"{cluster} is named as column and as cluster; name it once")
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ConfigError(f"{', '.join(twice)} stands in more than one tier; keep one of them")
    if not tiers:
        return Roles(tuple(columns), (0,) * len(columns), cluster)
    for found, where in (
        ([name for name in columns if name not in named], "in no tier; add it to one"),
        ([name for name in named if name not in columns], "in a tier but not among the columns"),
    ):
        if found:
            raise ConfigError(f"{', '.join(found[:5])}: {where}")
    at = {name: index for index, tier in enumerate(tiers) for name in tier}
    ordered = sorted(columns, key=at.__getitem__)
    return Roles(tuple(ordered), tuple(at[name] for name in ordered), cluster)


def prepare_variables(
    frame: pl.DataFrame,
    roles: Roles,
    *,
    max_rows: int,
    max_levels: int,
    rng: np.random.Generator,
) -> Variables:
    """Read, complete, sample, rank, and set aside what repeats.

    Raises InputError for absent columns, EstimationError when too little is left.
    """
    check_names(frame, roles.columns)
    check_columns(frame, [] if roles.cluster is None else [roles.cluster])
    frame, aside = _set_aside_unfit(frame, roles, max_levels=max_levels)
    kept = [name for name in roles.columns if name not in {one.column for one in aside}]
    frame, notes = _drop_missing(frame, kept, roles.cluster)
    frame, sample_notes = _sample(frame, roles.cluster, max_rows=max_rows, rng=rng)
    if frame.height < MIN_ROWS:
        raise EstimationError(
            f"{frame.height:,} rows have every column; a graph needs at least {MIN_ROWS}. Leave "
            "out columns that are mostly missing"
        )
    parts = {name: _encode(frame[name]) for name in kept}
    aside = [*aside, *_find_idle(parts)]
    parts = {name: part for name, part in parts.items() if part.shape[1]}
    parts, repeated = _set_aside_repeated(parts)
    variables = _assemble(parts, roles, read_clusters(frame, roles.cluster)[0])
    _check_width(variables)
    aside = [*aside, *repeated]
    notes = [*notes, *sample_notes, *(f"{one.column} was set aside: {one.reason}" for one in aside)]
    return Variables(
        variables.names, variables.tiers, variables.scores, variables.blocks, variables.cluster,
        tuple(aside), (*notes, RANK_NOTE),
    )  # fmt: skip


def rank_scores(values: FloatArray) -> FloatArray:
    """Normal scores of the ranks of `values` (n,), centred, unit deviation; ties share a score.

    Fisher's z supposes normal variables. Ranks keep every monotone relation and tame heavy tails
    (Harris and Drton, PC algorithm for nonparanormal graphical models, JMLR 14, 2013); a column of
    two values is only shifted and scaled by it.
    """
    from scipy.stats import norm, rankdata

    scores = norm.ppf(rankdata(values) / (len(values) + 1))
    return _standardise(scores)


def _standardise(values: FloatArray) -> FloatArray:
    deviation = values.std(axis=0)
    scaled: FloatArray = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return scaled


def _set_aside_unfit(
    frame: pl.DataFrame, roles: Roles, *, max_levels: int
) -> tuple[pl.DataFrame, list[SetAside]]:
    """Columns made plain (float or text, null for missing), and those that cannot be used."""
    plain, aside = [], []
    for name, tier in zip(roles.columns, roles.tiers, strict=True):
        series, reason = _read_plain(frame[name], max_levels=max_levels)
        plain.append(series.alias(name))
        if reason:
            aside.append(SetAside(name, reason, is_unseen=_may_group(series), tier=tier))
    cluster = [] if roles.cluster is None else [frame[roles.cluster]]
    return pl.DataFrame([*plain, *cluster]), aside


def _read_plain(series: pl.Series, *, max_levels: int) -> tuple[pl.Series, str | None]:
    is_text = series.dtype in _TEXT
    if is_text:
        plain = series.cast(pl.String)
    elif series.dtype.is_nested() or series.dtype in (pl.Object, pl.Binary):
        return series, f"it holds {series.dtype}, not numbers or text"
    else:
        plain = pl.Series(read_numbers(series)).fill_nan(None)
    levels = plain.drop_nulls().n_unique()
    if levels == 0:
        return plain, "every value is missing"
    if is_text and levels > max_levels:
        return plain, f"its text has {levels:,} levels, at most {max_levels} are used; group them"
    return plain, "it does not vary" if levels == 1 else None


def _may_group(series: pl.Series) -> bool:
    """Whether rows share values of a column that has several, as they do not share a row's name."""
    if series.dtype.is_nested() or series.dtype == pl.Object:
        return True
    known = series.drop_nulls()
    return 1 < known.n_unique() < len(known)


def _drop_missing(
    frame: pl.DataFrame, columns: Sequence[str], cluster: str | None
) -> tuple[pl.DataFrame, list[str]]:
    needed = [*columns, *([] if cluster is None else [cluster])]
    whole = frame.drop_nulls(needed)
    dropped = frame.height - whole.height
    if not dropped:
        return whole, []
    worst = max(needed, key=lambda name: frame[name].null_count())
    return whole, [
        f"{dropped:,} of {frame.height:,} rows lack a value and were dropped "
        f"({worst} alone lacks {frame[worst].null_count():,})"
    ]


def _sample(
    frame: pl.DataFrame, cluster: str | None, *, max_rows: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, list[str]]:
    """At most `max_rows` rows; whole clusters where there are some, for their rows belong together.

    A cluster of more rows than still fit is passed over; the first two stay where fewer fit.
    """
    if frame.height <= max_rows:
        return frame, []
    total = frame.height
    if cluster is None:
        chosen = np.sort(rng.choice(total, size=max_rows, replace=False))
        return frame[chosen], [f"{max_rows:,} of {total:,} rows were drawn at random, for speed"]
    codes, names = read_clusters(frame, cluster)
    sizes = np.bincount(codes, minlength=len(names))
    order = rng.permutation(len(names))
    drawn = _fill(sizes[order], max_rows)
    kept = order[drawn] if len(drawn) >= 2 else order[:2]
    is_kept = np.isin(codes, kept)
    note = (
        f"{int(is_kept.sum()):,} of {total:,} rows ({len(kept):,} of {len(names):,} values of "
        f"{cluster}) were drawn at random, for speed"
    )
    return frame.filter(pl.Series(is_kept)), [note]


def _fill(sizes: IntArray, room: int) -> list[int]:
    """Places of `sizes` (k,) that are taken in turn, each where it fits into what is left of `room`."""
    taken = []
    for place, size in enumerate(sizes.tolist()):
        if size <= room:
            taken.append(place)
            room -= size
    return taken


def _encode(series: pl.Series) -> FloatArray:
    """Scores of one column, shape (n, number of columns it needs); none when nothing varies."""
    if series.dtype != pl.String:
        values = series.to_numpy().astype(np.float64)
        return rank_scores(values)[:, None] if np.ptp(values) > 0 else np.zeros((len(values), 0))
    counts = series.rename("level").value_counts()
    counts = counts.sort(["count", "level"], descending=[True, False])
    rest = counts.filter(pl.col("count") >= MIN_LEVEL_ROWS)["level"].to_list()[1:]
    if counts.height == 2:
        rest = [counts["level"].max()]
    columns = [(series == level).to_numpy().astype(np.float64) for level in rest]
    return _standardise(np.stack(columns, axis=1)) if columns else np.zeros((len(series), 0))


def _find_idle(parts: dict[str, FloatArray]) -> list[SetAside]:
    return [
        SetAside(name, "it does not vary among the rows that are used")
        for name, part in parts.items()
        if part.shape[1] == 0
    ]


def _set_aside_repeated(
    parts: dict[str, FloatArray],
) -> tuple[dict[str, FloatArray], list[SetAside]]:
    """Keep columns in order as long as each adds something to those before it."""
    kept: dict[str, FloatArray] = {}
    aside = []
    for name, part in parts.items():
        before = np.concatenate([np.zeros((len(part), 0)), *kept.values()], axis=1)
        fresh = _has_own_variance(part, before)
        if fresh.all():
            kept[name] = part
        elif part.shape[1] > 1 and fresh.any():
            kept[name] = part[:, fresh]
        else:
            aside.append(SetAside(name, _explain_repeat(part, kept)))
    return kept, aside


def _has_own_variance(part: FloatArray, before: FloatArray) -> NDArray[np.bool_]:
    """Which columns of `part` keep variance of their own beside `before`, shape (columns,)."""
    is_fresh = np.zeros(part.shape[1], dtype=bool)
    for column in range(part.shape[1]):
        known = np.concatenate([before, part[:, :column][:, is_fresh[:column]]], axis=1)
        if known.shape[1] == 0:
            is_fresh[column] = True
            continue
        left = part[:, column] - known @ np.linalg.lstsq(known, part[:, column], rcond=1e-10)[0]
        is_fresh[column] = left @ left / len(left) > _REPEATED
    return is_fresh


def _explain_repeat(part: FloatArray, kept: dict[str, FloatArray]) -> str:
    for name, other in kept.items():
        if not _has_own_variance(part, other).any():
            return f"it says the same as {name}, which is kept"
    return "the columns before it determine it wholly"


def _assemble(parts: dict[str, FloatArray], roles: Roles, cluster: IntArray) -> Variables:
    if len(parts) < 2:
        raise EstimationError(
            f"{len(parts)} of {len(roles.columns)} columns can be used; a graph needs at least 2 "
            "that vary and do not repeat one another"
        )
    widths = np.cumsum([0, *(part.shape[1] for part in parts.values())])
    tiers = dict(zip(roles.columns, roles.tiers, strict=True))
    return Variables(
        names=tuple(parts),
        tiers=tuple(tiers[name] for name in parts),
        scores=np.concatenate(list(parts.values()), axis=1),
        blocks=tuple(tuple(range(a, b)) for a, b in pairwise(widths)),
        cluster=cluster,
        set_aside=(),
        notes=(),
    )


def _check_width(variables: Variables) -> None:
    width = variables.scores.shape[1]
    if variables.n < ROWS_PER_COLUMN * width:
        raise EstimationError(
            f"{variables.n:,} rows for {width} columns of scores; at least "
            f"{ROWS_PER_COLUMN * width:,} rows are needed. Name fewer columns"
        )
