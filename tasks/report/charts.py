"""Forest plots as static SVG that stands in the page: no script, no browser, no network.

vl-convert draws a Vega-Lite specification. Colours are the page's CSS variables, so one drawing
serves light, dark and print; shape and fill carry the meaning, colour only repeats it. Text does
not scale well, so each plot is drawn twice: wide, and narrow for a telephone; the page shows one
of them.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from markupsafe import Markup

from tasks.report.clean import shorten

Layout = Literal["wide", "narrow"]
Spec = dict[str, Any]

INK: Final = "var(--ink)"
MUTED: Final = "var(--muted)"
RULE: Final = "var(--rule)"
ACCENT: Final = "var(--accent)"
PAPER: Final = "var(--paper)"

MAX_STRETCH: Final = 1.6
"""Intervals are cut at this many times the largest point: one of them must not flatten all."""
_NAMESPACES: Final = re.compile(r' xmlns(?::xlink)?="[^"]*"| version="1\.1"')
_ROLES: Final = re.compile(r' (?:role|class|aria-[a-z]+|pointer-events)="[^"]*"')
_TAG: Final = re.compile(r"<[^>]+>")
_OPENING: Final = re.compile(r"<svg\b[^>]*>")


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot, numbers in units of the outcome; None is not drawn."""

    label: str
    verdict: str
    estimate: float | None
    low: float | None
    high: float | None
    naive: float | None
    naive_low: float | None
    naive_high: float | None
    truth: float | None = None


@dataclass(frozen=True)
class _Shape:
    """Sizes of one layout. The scale runs from `left` to `right`.

    Sizes are in pixels, `max_label` in characters, `drop` and `gap` in rows: `drop` moves the marks
    down and the name up, `gap` parts causal and naive marks from their middle.
    """

    width: int
    left: int
    right: int
    row: int
    font: int
    max_label: int
    drop: float
    gap: float


_SHAPES: Final[dict[Layout, _Shape]] = {
    "wide": _Shape(
        width=880, left=160, right=740, row=46, font=14, max_label=20, drop=0.0, gap=0.17
    ),
    "narrow": _Shape(
        width=340, left=12, right=328, row=60, font=13, max_label=26, drop=0.2, gap=0.11
    ),
}

STYLES: Final[dict[str, Spec]] = {
    "zero": {"type": "rule", "color": INK, "strokeWidth": 1},
    "naive_ci": {"type": "rule", "color": MUTED, "strokeWidth": 1.2},
    "causal_ci": {"type": "rule", "color": ACCENT, "strokeWidth": 3.5},
    "truth": {"type": "rule", "color": INK, "strokeWidth": 2.5},
    "naive": {
        "type": "point", "shape": "diamond", "size": 90, "fill": PAPER, "stroke": MUTED,
        "strokeWidth": 1.6,
    },
    "causal": {
        "type": "point", "shape": "circle", "size": 110, "fill": ACCENT, "stroke": PAPER,
        "strokeWidth": 1.5,
    },
    "beyond_left": {"type": "point", "shape": "triangle-left", "size": 70, "fill": INK,
                    "strokeWidth": 0},
    "beyond_right": {"type": "point", "shape": "triangle-right", "size": 70, "fill": INK,
                     "strokeWidth": 0},
}  # fmt: skip
"""Marks in drawing order, the last on top."""


def draw_forest(
    rows: Sequence[ForestRow], *, layout: Layout, axis_title: str, title: str, description: str
) -> Markup:
    """One plot of `rows`, top to bottom, as an `<svg role="img">` with title and description.

    Filled circle and thick line: causal estimate and its interval. Hollow diamond and thin
    line: naive difference. Upright bar: known truth, where there is one. An arrowhead marks an
    interval that goes on beyond the scale.
    """
    spec = _build_spec(rows, _SHAPES[layout], axis_title=axis_title)
    return draw_spec(spec, title=title, description=description)


def draw_spec(spec: Spec, *, title: str, description: str) -> Markup:
    """The drawing of a Vega-Lite specification, to stand in the page under a name."""
    return _embed(_convert(json.dumps(spec)), title=title, description=description)


@lru_cache(maxsize=256)
def _convert(spec: str) -> str:
    """SVG text; a page that has to be made smaller is drawn only once."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(json.loads(spec), allowed_base_urls=[])
    return svg


def find_domain(rows: Sequence[ForestRow]) -> tuple[float, float]:
    """Scale that holds zero, every point, and intervals up to `MAX_STRETCH` times the largest."""
    points = [p for r in rows for p in (r.estimate, r.naive, r.truth) if p is not None]
    bounds = [b for r in rows for b in (r.low, r.high, r.naive_low, r.naive_high) if b is not None]
    return fit_domain(points, bounds)


def fit_domain(points: Sequence[float], bounds: Sequence[float]) -> tuple[float, float]:
    """Scale that holds zero, every point, and bounds up to `MAX_STRETCH` times the largest."""
    largest = max(map(abs, points or bounds), default=0.0) or 1.0
    limit = MAX_STRETCH * largest
    values = [0.0, *points, *(min(max(bound, -limit), limit) for bound in bounds)]
    low, high = min(values), max(values)
    margin = 0.04 * ((high - low) or 1.0)
    return low - margin, high + margin


def _build_spec(rows: Sequence[ForestRow], shape: _Shape, *, axis_title: str) -> Spec:
    """Vega-Lite specification; y counts rows from 0 at the top, x is in units of the outcome."""
    domain = find_domain(rows)
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": list(domain), "range": [shape.left, shape.right], "nice": False},
        "axis": build_axis(shape.left, shape.right, shape.font - 1, title=axis_title),
    }
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"domain": [len(rows) - 0.5, -0.5], "nice": False, "zero": False},
        "axis": None,
    }
    zero = [{"x": 0.0, "y": len(rows) - 0.5, "y2": -0.5}]
    marks = _place_marks(rows, shape, domain)
    drawn = [("zero", zero), *((kind, marks[kind]) for kind in STYLES if marks.get(kind))]
    layers = [build_layer(STYLES[kind], values, x=x, y=y) for kind, values in drawn]
    return {
        "width": shape.width,
        "height": shape.row * max(len(rows), 1),
        "padding": 4,
        "background": "transparent",
        "config": {"aria": False, "view": {"stroke": None}},
        "layer": [*layers, *_build_labels(rows, shape, y=y)],
    }


def build_axis(left: float, right: float, font: int, *, title: str) -> Spec:
    """Axis of signed figures whose title stands in the middle of `left` and `right`, in pixels."""
    return {
        "title": shorten(title, 60),
        "titleX": (left + right) / 2,
        "labelExpr": "datum.value == 0 ? '0' : format(datum.value, '+.4~f')",
        "tickCount": max(2, min(5, int(right - left) // 60)),
        "gridColor": RULE,
        "domain": False,
        "ticks": False,
        "labelColor": MUTED,
        "titleColor": MUTED,
        "titleFontWeight": "normal",
        "labelFontSize": font,
        "titleFontSize": font,
        "labelPadding": 6,
        "titlePadding": 8,
        "labelOverlap": True,
    }


def build_layer(style: Spec, values: list[dict[str, float]], *, x: Spec, y: Spec) -> Spec:
    """One kind of mark at its places."""
    encoding = {"x": x, "y": y} | {key: {"field": key} for key in ("x2", "y2") if key in values[0]}
    return {"data": {"values": values}, "mark": {"opacity": 1, **style}, "encoding": encoding}


def _place_marks(
    rows: Sequence[ForestRow], shape: _Shape, domain: tuple[float, float]
) -> dict[str, list[dict[str, float]]]:
    """Per kind of mark its positions; the naive figure stands under the causal one."""
    marks: dict[str, list[dict[str, float]]] = {kind: [] for kind in STYLES}
    for index, row in enumerate(rows):
        gap = 0.0 if row.naive is None else shape.gap  # a mark of its own stands in the middle
        upper, lower = index + shape.drop - gap, index + shape.drop + gap
        if row.estimate is not None:
            marks["causal"].append({"x": row.estimate, "y": upper})
        if row.naive is not None:
            marks["naive"].append({"x": row.naive, "y": lower})
        if row.truth is not None:
            height = 1.7 * shape.gap
            marks["truth"].append({"x": row.truth, "y": upper - height, "y2": upper + height})
        add_interval(marks, "causal_ci", (row.low, row.high), upper, domain)
        add_interval(marks, "naive_ci", (row.naive_low, row.naive_high), lower, domain)
    return marks


def add_interval(
    marks: dict[str, list[dict[str, float]]],
    kind: str,
    bounds: tuple[float | None, float | None],
    y: float,
    domain: tuple[float, float],
) -> None:
    """Add an interval to `marks`, cut at the ends of the scale with an arrowhead there."""
    low, high = bounds
    if low is None or high is None:
        return
    ends = [min(max(bound, domain[0]), domain[1]) for bound in (low, high)]
    marks[kind].append({"x": ends[0], "x2": ends[1], "y": y})
    if low < domain[0]:
        marks["beyond_left"].append({"x": domain[0], "y": y})
    if high > domain[1]:
        marks["beyond_right"].append({"x": domain[1], "y": y})


def _build_labels(rows: Sequence[ForestRow], shape: _Shape, *, y: Spec) -> list[Spec]:
    """Names on the left, verdicts on the right; in the narrow layout on a line of their own."""
    values = [
        {
            "y": index - shape.drop,
            "label": shorten(row.label, shape.max_label),
            "verdict": row.verdict,
        }
        for index, row in enumerate(rows)
    ]
    is_narrow = shape.drop > 0
    name_at = (0, "left")
    verdict_at = (shape.width, "right") if is_narrow else (shape.right + 18, "left")
    return [
        {
            "data": {"values": values},
            "mark": {
                "type": "text", "baseline": "middle", "x": at[0], "align": at[1],
                "fontSize": size, "color": color,
            },
            "encoding": {"y": y, "text": {"field": field, "type": "nominal"}},
        }
        for field, at, size, color in (
            ("label", name_at, shape.font, INK),
            ("verdict", verdict_at, shape.font - 1, MUTED),
        )
    ]  # fmt: skip


def _embed(svg: str, *, title: str, description: str) -> Markup:
    """The drawing without namespaces and fixed size, with a name and a description."""
    bare = _NAMESPACES.sub("", svg)
    opening = _OPENING.search(bare)
    viewbox = re.search(r'viewBox="([\d. -]+)"', bare)
    if opening is None or viewbox is None:
        raise ValueError("the chart library returned no SVG; reinstall vl-convert-python")
    head = Markup(
        '<svg class="chart" role="img" viewBox="{box}" width="{width}" '
        'preserveAspectRatio="xMinYMin">'
        "<title>{title}</title><desc>{description}</desc>"
    ).format(box=viewbox[1], width=viewbox[1].split()[2], title=title, description=description)
    body = bare[: opening.start()] + bare[opening.end() :]
    # roles of the parts have no names of their own; the description above speaks for all of them
    return head + Markup(_TAG.sub(lambda tag: _ROLES.sub("", tag[0]), body))
