"""What moves the rating, from one table in memory: attributes with a polarity, and an outcome."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.columns import build_controls, check_columns, drop_incomplete, read_clusters
from tasks.effects.credibility import Rules
from tasks.effects.estimate import HEADLINE, Method, Window, estimate_effects
from tasks.effects.moments import INTERCEPT, Moments, compute_moments
from tasks.effects.panel import treatment_names
from tasks.effects.plr import assign_folds
from tasks.platform.errors import ConfigError, InputError

_POLARITIES: Final[dict[str, int]] = {
    "positive": 1, "negative": -1, "1": 1, "-1": -1, "1.0": 1, "-1.0": -1, "0": 0, "0.0": 0,
    "neutral": 0, "unknown": 0, "not mentioned": 0, "": 0,
}  # fmt: skip
_UNDECIDED: Final = "no majority"
_MAX_CELLS: Final = 40_000_000
"""Floats held in Gram matrices: fewer groups of clusters when the table is wide."""


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
) -> list[dict[str, Any]]:
    """Effect of each attribute's polarity on `outcome`, negative to positive, all at once.

    Each attribute is a column of polarities: -1, 0, 1 or "Negative", "Positive", "unknown" (null
    means not mentioned; rows where raters found "no majority" are dropped). Without a cluster
    column every row is its own cluster.

    Keys of a row: attribute, contrast, estimate, std_error, ci_low, ci_high, naive, naive_ci_low,
    naive_ci_high, n, n_positive, n_negative, verdict, reasons, p_value, q_value, robustness_value.

    Raises ConfigError, InputError and EstimationError as `estimate_table` does.
    """
    method = method or Method(min_mentions=10)
    moments, notes = drivers_moments(
        frame, outcome=outcome, attributes=attributes, controls=controls, cluster=cluster,
        folds=method.folds, max_levels=max_levels,
    )  # fmt: skip
    rows = estimate_effects(
        moments,
        window=Window("table", "all", date.min, date.max),
        attributes=attributes,
        outcome=outcome,
        method=method,
        rules=rules or Rules(),
    )
    dropped = ("source", "window", "window_start", "window_end", "outcome", "estimator")
    return [
        {key: value for key, value in row.items() if key not in dropped}
        | {"reasons": [*row["reasons"], *notes]}
        for row in rows
        if row["contrast"] == HEADLINE
    ]


def drivers_moments(
    frame: pl.DataFrame,
    *,
    outcome: str,
    attributes: Sequence[str],
    controls: Sequence[str],
    cluster: str | None,
    folds: int,
    max_levels: int,
) -> tuple[Moments, list[str]]:
    """Moments of the table, one bucket a cluster as far as memory allows, and what was dropped."""
    _check_roles(outcome, attributes, controls)
    check_columns(frame, [outcome, *attributes, *controls, *([cluster] if cluster else [])])
    kept, notes = drop_incomplete(frame, [outcome], cluster)
    kept, undecided = _drop_undecided(kept, attributes)
    if kept.height == 0:
        raise InputError(f"none of {frame.height} rows has {outcome} and its attributes")
    built = build_controls(kept, list(controls), max_levels=max_levels)
    columns = [np.ones(kept.height), *built.matrix.T]
    for name in attributes:
        polarity = read_polarity(kept[name])
        columns += [polarity == 1, polarity == -1]
    columns.append(kept[outcome].cast(pl.Float64).to_numpy())
    names = [f"control {i}" for i in range(built.matrix.shape[1])]
    codes, clusters = read_clusters(kept, cluster)
    n_buckets = max(min(len(clusters), _MAX_CELLS // len(columns) ** 2), folds)
    moments = compute_moments(
        np.column_stack(columns).astype(np.float64),
        assign_folds(clusters, n_buckets)[codes],
        columns=[INTERCEPT, *names, *treatment_names(attributes), outcome],
        n_buckets=n_buckets,
    )
    return moments, [*notes, *undecided, *built.notes]


def read_polarity(series: pl.Series) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Polarities -1, 0, 1 of shape (n,); raises InputError for anything that is none."""
    text = _as_text(series)
    unknown = text.filter(~text.is_in(list(_POLARITIES))).unique().sort()
    if len(unknown):
        raise InputError(
            f"{series.name} holds {unknown.head(3).to_list()}; allowed are Positive, Negative, "
            f"unknown, {_UNDECIDED!r}, 1, -1, 0 and nothing"
        )
    return text.replace_strict(_POLARITIES, return_dtype=pl.Int64).to_numpy()


def _as_text(series: pl.Series) -> pl.Series:
    if series.dtype.is_float():
        series = series.fill_nan(None)
    return series.cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()


def _drop_undecided(
    frame: pl.DataFrame, attributes: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    is_split = pl.Series(np.zeros(frame.height, dtype=bool))
    for name in attributes:
        is_split |= _as_text(frame[name]) == _UNDECIDED
    if not is_split.any():
        return frame, []
    note = f"{is_split.sum():,} rows with {_UNDECIDED!r} on an attribute were dropped"
    return frame.filter(~is_split), [note]


def _check_roles(outcome: str, attributes: Sequence[str], controls: Sequence[str]) -> None:
    if not attributes:
        raise ConfigError("no attributes are named; name at least one")
    named = [outcome, *attributes, *controls]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ConfigError(f"{twice} are named twice among outcome, attributes and controls")
