"""The report as rows of the marts: one of the night, and one for every effect compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import polars as pl

from tasks.report.change_view import describe_effect_change
from tasks.report.changes import compare_before
from tasks.report.model import NightReport
from tasks.report.nights import IndexNight
from tasks.report.summary import summarise_night

_NIGHT_COLUMNS = (
    "verdict", "headline", "topline", "rows_published", "rows_quarantined", "is_gate_passed",
    "n_effects", "n_credible", "n_weak", "n_not_credible", "n_no_result", "n_flipped", "n_real",
)  # fmt: skip
_TEXTS = (
    "source", "window_name", "outcome", "attribute", "kind", "word", "verdict_before", "verdict_now",
    "cause",
)  # fmt: skip
_NUMBERS = (
    "estimate_before", "estimate_now", "difference", "by_reviews", "by_reviews_std_error",
    "by_reviews_ci_low", "by_reviews_ci_high", "q_value", "by_revision",
)  # fmt: skip
_COUNTS = ("n_before", "n_now", "n_gained", "n_lost")


def describe_marts(report: NightReport, line: IndexNight) -> dict[str, Any]:
    """What the marts hold of a night: `night`, one row, and `changes`, all of them, uncapped."""
    changes = compare_before(report)
    summary = summarise_night(report, changes)
    before = report.previous_as_of
    return {
        "night": {
            **{name: getattr(line, name) for name in _NIGHT_COLUMNS},
            "as_of": report.as_of.isoformat(),
            "previous_as_of": before.isoformat() if before else None,
            "data_fitness": summary.data,
            "todo": json.dumps([asdict(item) for item in summary.todo], ensure_ascii=False),
        },
        "changes": [describe_effect_change(change) for change in changes],
    }


def to_night_frame(night: Mapping[str, Any]) -> pl.DataFrame:
    """The one row of marts.nights."""
    schema = {
        "as_of": pl.String, "previous_as_of": pl.String, "data_fitness": pl.String, "todo": pl.String,
        **{name: pl.Int64 for name in _NIGHT_COLUMNS if name.startswith(("n_", "rows_"))},
        **dict.fromkeys(("verdict", "headline", "topline"), pl.String),
        "is_gate_passed": pl.Boolean,
    }  # fmt: skip
    frame = pl.DataFrame([{name: night[name] for name in schema}], schema=schema)
    return frame.with_columns(pl.col("as_of", "previous_as_of").str.to_date())


def to_change_frame(
    rows: Sequence[Mapping[str, Any]], *, as_of: date, previous: date | None
) -> pl.DataFrame:
    """Rows of marts.effect_changes."""
    flat = [_flatten(row) for row in rows]
    schema = {
        **dict.fromkeys(_TEXTS, pl.String), **dict.fromkeys(_NUMBERS, pl.Float64),
        **dict.fromkeys(_COUNTS, pl.Int64),
    }  # fmt: skip
    frame = pl.DataFrame(flat, schema=schema).with_columns(
        pl.lit(as_of).alias("as_of"), pl.lit(previous, dtype=pl.Date).alias("previous_as_of")
    )
    return frame.sort("source", "window_name", "outcome", "attribute")


def _flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row["by_reviews_ci"] or (None, None)
    values = {
        **row, "window_name": row["window"], "by_reviews_ci_low": low, "by_reviews_ci_high": high
    }  # fmt: skip
    return {name: values[name] for name in (*_TEXTS, *_NUMBERS, *_COUNTS)}
