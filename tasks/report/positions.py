"""What standing lower in a list does to the click."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from tasks.report.charts import ForestRow, draw_forest
from tasks.report.effects import is_told
from tasks.report.group_view import describe_forest_row, drawable
from tasks.report.model import NightReport, PositionRow
from tasks.report.words import (
    VERDICT_MARKS,
    effect_decimals,
    format_interval,
    format_level,
    format_number,
    format_plural,
    name_window_short,
)

UNITS: Final = "clicks per exposure"
_NUMBER: Final = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class PositionsView:
    """Positions of one source and window, against one reference, from the top of the list down.

    `shared` are reasons that stand on every row, said once.
    """

    source: str
    window_name: str
    contrast: str
    sentence: str
    rows: tuple[PositionRow, ...]
    shared: tuple[str, ...]
    n_drawn: int
    wide: Markup | None
    narrow: Markup | None


def view_positions(report: NightReport, *, most: int, most_views: int) -> tuple[PositionsView, ...]:
    """Every source's positions; `most` positions are drawn, of the first `most_views` sources."""
    grouped: dict[tuple[str, str, str], list[PositionRow]] = {}
    for row in report.positions:
        grouped.setdefault((row.source, row.window, row.contrast), []).append(row)
    return tuple(
        _view_source(sorted(rows, key=_rank), report, most=most if at < most_views else 0)
        for at, rows in enumerate(grouped.values())
    )


def _rank(row: PositionRow) -> tuple[int, str]:
    found = _NUMBER.search(row.attribute)
    return (int(found[0]) if found else 10**9, row.attribute)


def _view_source(rows: Sequence[PositionRow], report: NightReport, *, most: int) -> PositionsView:
    first = rows[0]
    drawn = [_make_row(row) for row in rows[:most]]
    is_drawn = any(row.estimate is not None or row.naive is not None for row in drawn)
    wide, narrow = _draw(first, drawn) if is_drawn else (None, None)
    return PositionsView(
        source=first.source,
        window_name=name_window_short(first.window),
        contrast=first.contrast,
        sentence=_tell_steepest(rows, report),
        rows=tuple(rows),
        shared=tuple(r for r in first.reasons if all(r in row.reasons for row in rows)),
        n_drawn=len(drawn),
        wide=wide,
        narrow=narrow,
    )


def _tell_steepest(rows: Sequence[PositionRow], report: NightReport) -> str:
    """The largest credible effect in words; that there is none, else."""
    credible = [row for row in rows if row.verdict == "credible" and row.estimate is not None]
    if not credible:
        if all(row.estimate is None or row.verdict == "no result" for row in rows):
            return "No result: too few exposures."
        return "No position has a credible effect."
    credible = [row for row in credible if is_told(row)]
    if not credible:
        return "No position has an effect that can be told from zero."
    row = max(credible, key=lambda row: abs(row.estimate or 0.0))
    value = row.estimate or 0.0
    decimals = effect_decimals(row)
    interval = format_interval(row.ci_low, row.ci_high, decimals=decimals)
    return (
        f"Standing in {row.attribute}, {row.contrast}, {'costs' if value < 0 else 'adds'} "
        f"{format_number(abs(value), decimals=decimals)} {UNITS}"
        + (f" ({format_level(report.confidence)} interval {interval}" if interval else " (")
        + f"{', ' if interval else ''}{format_plural(row.n, 'exposure')})."
    )


def _make_row(row: PositionRow) -> ForestRow:
    is_known = row.verdict != "no result"
    return ForestRow(
        label=row.attribute,
        verdict=f"{VERDICT_MARKS[row.verdict]} {row.verdict}",
        estimate=drawable(row.estimate) if is_known else None,
        low=drawable(row.ci_low) if is_known else None,
        high=drawable(row.ci_high) if is_known else None,
        naive=drawable(row.naive),
        naive_low=drawable(row.naive_ci_low),
        naive_high=drawable(row.naive_ci_high),
    )


def _draw(first: PositionRow, rows: Sequence[ForestRow]) -> tuple[Markup, Markup]:
    wide, narrow = (
        draw_forest(
            rows,
            layout=layout,
            axis_title=f"{UNITS}, {first.contrast}",
            title=f"Effects of the position in the list on clicks in {first.source}",
            description=" ".join(describe_forest_row(row, decimals=3) for row in rows),
        )
        for layout in ("wide", "narrow")
    )
    return wide, narrow
