"""Small multiples: one little line chart a thing, all on the same scale, with bands and a zero line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from tasks.report.charts import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    RULE,
    Layout,
    Spec,
    draw_spec,
    fit_domain,
)
from tasks.report.clean import shorten


@dataclass(frozen=True)
class Point:
    """An estimate at `x`, days since the first day of the drawing; None is a gap in the line."""

    x: float
    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Panel:
    """One little chart. `reference` is drawn as a dashed line, None is not drawn."""

    label: str
    points: tuple[Point, ...]
    reference: float | None = None


@dataclass(frozen=True)
class _Grid:
    columns: int
    width: int
    height: int
    font: int
    max_label: int


_GRIDS: Final[dict[Layout, _Grid]] = {
    "wide": _Grid(columns=4, width=178, height=120, font=13, max_label=24),
    "narrow": _Grid(columns=2, width=132, height=104, font=12, max_label=18),
}


def draw_multiples(
    panels: Sequence[Panel],
    *,
    layout: Layout,
    days: float,
    ends: tuple[str, str],
    title: str,
    description: str,
) -> Markup:
    """All `panels`, as an `<svg role="img">` with title and description.

    The time axis has `days` days; `ends` are words for its first and last day.
    """
    grid = _GRIDS[layout]
    domain = find_panel_domain(panels)
    spec = {
        "padding": 4,
        "background": "transparent",
        "config": {"aria": False, "view": {"stroke": None}, "concat": {"spacing": 22}},
        "columns": grid.columns,
        "concat": [
            _build_panel(panel, grid, domain, days=days, ends=ends, is_first=not at % grid.columns)
            for at, panel in enumerate(panels)
        ],
    }
    return draw_spec(spec, title=title, description=description)


def find_panel_domain(panels: Sequence[Panel]) -> tuple[float, float]:
    """The scale of all panels: zero, every estimate and reference; endless bands are cut."""
    points = [point for panel in panels for point in panel.points if point.estimate is not None]
    values = [point.estimate for point in points if point.estimate is not None]
    values += [panel.reference for panel in panels if panel.reference is not None]
    return fit_domain(values, [b for p in points for b in (p.low, p.high) if b is not None])


def split_runs(points: Sequence[Point]) -> list[list[Point]]:
    """Stretches without a gap: a line is never drawn across what is not known."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if point.estimate is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if run]


def _build_panel(
    panel: Panel,
    grid: _Grid,
    domain: tuple[float, float],
    *,
    days: float,
    ends: tuple[str, str],
    is_first: bool,
) -> Spec:
    x = {"field": "x", "type": "quantitative", "axis": _build_time_axis(grid, days, ends),
         "scale": {"domain": [0, days], "nice": False, "padding": 0}}  # fmt: skip
    y = {"field": "y", "type": "quantitative", "axis": _build_value_axis(grid, is_first=is_first),
         "scale": {"domain": list(domain), "nice": False, "zero": False}}  # fmt: skip
    layers = [_layer({"type": "rule", "color": INK, "strokeWidth": 1}, [{"y": 0.0}], y=y)]
    if panel.reference is not None:
        dashes = {"type": "rule", "color": MUTED, "strokeWidth": 1.2, "strokeDash": [4, 3]}
        layers.append(_layer(dashes, [{"y": panel.reference}], y=y))
    for run in split_runs(panel.points):
        layers += _build_run(run, domain, x=x, y=y)
    return {
        "width": grid.width,
        "height": grid.height,
        "title": {
            "text": shorten(panel.label, grid.max_label), "anchor": "start", "color": INK,
            "fontSize": grid.font, "fontWeight": "normal", "offset": 6,
        },
        "layer": layers,
    }  # fmt: skip


def _build_run(
    run: Sequence[Point], domain: tuple[float, float], *, x: Spec, y: Spec
) -> list[Spec]:
    """Band, line and points of one stretch; a single point has an upright line for its interval."""

    def cut(value: float) -> float:
        return min(max(value, domain[0]), domain[1])

    band = [
        {"x": p.x, "y": cut(p.low), "y2": cut(p.high)}
        for p in run
        if p.low is not None and p.high is not None
    ]
    spots = [{"x": p.x, "y": p.estimate} for p in run]
    area: Spec = {"type": "area", "color": ACCENT, "opacity": 0.22}
    bar: Spec = {"type": "rule", "color": ACCENT, "strokeWidth": 3, "opacity": 0.4}
    line: Spec = {"type": "line", "color": ACCENT, "strokeWidth": 1.8}
    dot: Spec = {
        "type": "point", "shape": "circle", "size": 26, "fill": ACCENT, "stroke": PAPER,
        "strokeWidth": 0.8, "opacity": 1,
    }  # fmt: skip
    layers = [_layer(area if len(band) > 1 else bar, band, x=x, y=y)] if band else []
    if len(spots) > 1:
        layers.append(_layer(line, spots, x=x, y=y))
    return [*layers, _layer(dot, spots, x=x, y=y)]


def _layer(mark: Spec, values: Sequence[dict[str, Any]], **encoding: Spec) -> Spec:
    extra = {"y2": {"field": "y2"}} if "y2" in values[0] else {}
    return {"data": {"values": list(values)}, "mark": mark, "encoding": {**encoding, **extra}}


def _build_time_axis(grid: _Grid, days: float, ends: tuple[str, str]) -> Spec:
    first, last = (end.replace("'", "") for end in ends)
    return {
        "title": None,
        "values": [0, days],
        "labelExpr": f"datum.value == 0 ? '{first}' : '{last}'",
        "labelFlush": True,
        "grid": False,
        "domain": False,
        "tickColor": RULE,
        "labelColor": MUTED,
        "labelFontSize": grid.font - 1,
        "labelOverlap": False,
    }


def _build_value_axis(grid: _Grid, *, is_first: bool) -> Spec:
    return {
        "title": None,
        "labels": is_first,
        "labelExpr": "datum.value == 0 ? '0' : format(datum.value, '+.4~f')",
        "tickCount": 4,
        "gridColor": RULE,
        "domain": False,
        "ticks": False,
        "labelColor": MUTED,
        "labelFontSize": grid.font - 1,
        "minExtent": 34,
        "maxExtent": 34,
    }
