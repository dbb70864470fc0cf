"""Effects over time, as small multiples and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from markupsafe import Markup

from tasks.report.effects import EffectGroup
from tasks.report.group_view import drawable
from tasks.report.model import EffectRow, NightReport, TrendRow
from tasks.report.multiples import Panel, Point, draw_multiples, find_panel_domain
from tasks.report.words import (
    format_date,
    format_estimate,
    format_plural,
    name_attribute,
    tell_plural,
)

MAX_PANELS: Final = 8


@dataclass(frozen=True)
class TrendView:
    """Effects of one source over time; `rows` are those of the attributes in the drawing."""

    stretch: str
    n_attributes: int
    n_drawn: int
    n_silent: int
    rows: tuple[TrendRow, ...]
    n_hidden_rows: int
    has_clipped: bool
    wide: Markup | None
    narrow: Markup | None


def view_trend(
    group: EffectGroup, report: NightReport, *, most_rows: int, is_drawn: bool
) -> TrendView | None:
    """Effects of the source over time, None where there are no two stretches to compare.

    Attributes stand in the order of the source's main table; the first eight are drawn.
    """
    rows = [row for row in report.trends if row.source == group.source]
    by_attribute: dict[str, list[TrendRow]] = {}
    for row in sorted(rows, key=lambda row: (row.start, row.end)):
        by_attribute.setdefault(row.attribute, []).append(row)
    if len({row.start for row in rows}) < 2:
        return None
    known = [
        name for name in by_attribute if any(r.estimate is not None for r in by_attribute[name])
    ]
    main = {row.attribute: row for row in group.rows}
    order = list(main)
    known.sort(key=lambda name: order.index(name) if name in main else len(order))
    drawn = known[:MAX_PANELS]
    panels = _make_panels(drawn, by_attribute, main, report)
    wide, narrow = _draw(group, panels, rows, report) if is_drawn and panels else (None, None)
    listed = [row for name in drawn for row in by_attribute[name]]
    return TrendView(
        stretch=_name_stretch(rows),
        n_attributes=len(known),
        n_drawn=len(drawn),
        n_silent=len(by_attribute) - len(known),
        rows=tuple(listed[:most_rows]),
        n_hidden_rows=max(len(listed) - most_rows, 0),
        has_clipped=_is_clipped(panels),
        wide=wide,
        narrow=narrow,
    )


def _name_stretch(rows: Sequence[TrendRow]) -> str:
    """Week or month, by how long the longest stretch is."""
    return "month" if max((row.end - row.start).days for row in rows) > 7 else "week"


def _make_panels(
    names: Sequence[str],
    rows: Mapping[str, Sequence[TrendRow]],
    main: Mapping[str, EffectRow],
    report: NightReport,
) -> list[Panel]:
    first = min((row.start for name in names for row in rows[name]), default=date.min)
    return [
        Panel(
            label=name_attribute(name, report.labels),
            points=tuple(_make_point(row, first) for row in rows[name]),
            reference=drawable(main[name].estimate) if name in main else None,
        )
        for name in names
    ]


def _make_point(row: TrendRow, first: date) -> Point:
    """The estimate stands in the middle of its stretch."""
    x = ((row.start - first).days + (row.end - first).days + 1) / 2
    return Point(x, drawable(row.estimate), drawable(row.ci_low), drawable(row.ci_high))


def _is_clipped(panels: Sequence[Panel]) -> bool:
    low, high = find_panel_domain(panels)
    bounds = [b for panel in panels for p in panel.points for b in (p.low, p.high) if b is not None]
    return any(not low <= bound <= high for bound in bounds)


def _draw(
    group: EffectGroup, panels: Sequence[Panel], rows: Sequence[TrendRow], report: NightReport
) -> tuple[Markup, Markup]:
    first, last = min(row.start for row in rows), max(row.end for row in rows)
    has_years = first.year != last.year
    units = report.units.get(group.outcome, ("", group.outcome))[1]
    wide, narrow = (
        draw_multiples(
            panels,
            layout=layout,
            days=(last - first).days + 1,
            ends=(_name_day(first, has_year=has_years), _name_day(last, has_year=has_years)),
            title=f"Effects on {group.outcome} in {group.source} over time, in {units}",
            description=" ".join(map(_describe_panel, panels)),
        )
        for layout in ("wide", "narrow")
    )
    return wide, narrow


def _name_day(day: date, *, has_year: bool) -> str:
    """14 Mar; with the year, Mar 2024."""
    number, month, year = format_date(day).split()
    return f"{month[:3]} {year}" if has_year else f"{number} {month[:3]}"


def _describe_panel(panel: Panel) -> str:
    known = [point for point in panel.points if point.estimate is not None]
    if not known:
        return f"{panel.label}: no result."
    first, last = (format_estimate(p.estimate, p.low, p.high) for p in (known[0], known[-1]))
    return f"{panel.label}: from {first} to {last}, {format_plural(len(known), 'estimate')}."


def tell_trend(view: TrendView) -> str:
    """One estimate a week; what is drawn and what is not."""
    text = f"One estimate a {view.stretch}, each from the reviews of that {view.stretch} alone."
    if view.n_drawn < view.n_attributes:
        text += (
            f" The first {view.n_drawn} of {view.n_attributes} attributes; the others are in the "
            "JSON beside this page."
        )
    if view.n_silent:
        text += f" No result in any {view.stretch} for {tell_plural(view.n_silent, 'attribute')}."
    return text
