"""Forests in groups: several estimates of one thing under its name, to be held against each other.

Windows of an attribute, levels of a segment. Each line has its own name on the left and a note on
the right; the line the others are compared with is filled and thick, the others are hollow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from tasks.report.charts import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    STYLES,
    Layout,
    Spec,
    add_interval,
    build_axis,
    build_layer,
    draw_spec,
    fit_domain,
)
from tasks.report.clean import shorten

MAX_LINE_LABEL: Final = 22
_MARKS: Final[dict[str, Spec]] = {
    "zero": STYLES["zero"],
    "other_ci": {"type": "rule", "color": ACCENT, "strokeWidth": 1.4},
    "main_ci": {"type": "rule", "color": ACCENT, "strokeWidth": 3.5},
    "other": {
        "type": "point", "shape": "circle", "size": 62, "fill": PAPER, "stroke": ACCENT,
        "strokeWidth": 1.8,
    },
    "main": STYLES["causal"],
    "beyond_left": STYLES["beyond_left"],
    "beyond_right": STYLES["beyond_right"],
}  # fmt: skip
"""Marks in drawing order, the last on top."""


@dataclass(frozen=True)
class Line:
    """One estimate, in units of the outcome; None is not drawn.

    `note` stands on the right; `short` beside the label, where there is no room on the right.
    `is_main`: the others refer to it.
    """

    label: str
    estimate: float | None
    low: float | None
    high: float | None
    note: str = ""
    short: str = ""
    is_main: bool = False


@dataclass(frozen=True)
class LineGroup:
    """Lines that belong together, under one name."""

    label: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _Place:
    """Sizes of one layout, in pixels: the scale runs from `left` to `right`."""

    width: int
    left: float
    right: float
    line: int
    head: int
    gap: int
    font: int
    is_narrow: bool


def draw_grouped(
    groups: Sequence[LineGroup], *, layout: Layout, axis_title: str, title: str, description: str
) -> Markup:
    """One plot of all `groups` on one scale, as an `<svg role="img">` with title and description."""
    place = _choose_place(groups, layout)
    return draw_spec(
        _build_spec(groups, place, axis_title=axis_title), title=title, description=description
    )


def _choose_place(groups: Sequence[LineGroup], layout: Layout) -> _Place:
    is_narrow = layout == "narrow"
    labels = [_label(line, is_narrow=is_narrow) for group in groups for line in group.lines]
    letters = max(map(len, labels), default=0)
    if layout == "wide":
        left = 172 + 7.3 * letters
        return _Place(880, left, 740, line=24, head=0, gap=14, font=14, is_narrow=False)
    return _Place(340, 12 + 6.7 * letters, 328, line=23, head=25, gap=10, font=13, is_narrow=True)


def _label(line: Line, *, is_narrow: bool) -> str:
    """The name at the left of a line, and in the narrow layout what else is to be known of it."""
    if not is_narrow or not line.short:
        return shorten(line.label, MAX_LINE_LABEL)
    return f"{shorten(line.label, MAX_LINE_LABEL - len(line.short))} {line.short}"


def find_group_domain(groups: Sequence[LineGroup]) -> tuple[float, float]:
    """Scale that holds zero and every estimate; endless intervals are cut."""
    lines = [line for group in groups for line in group.lines]
    points = [line.estimate for line in lines if line.estimate is not None]
    return fit_domain(points, [b for line in lines for b in (line.low, line.high) if b is not None])


def _build_spec(groups: Sequence[LineGroup], place: _Place, *, axis_title: str) -> Spec:
    """Vega-Lite specification; y is in pixels from the top, x in units of the outcome."""
    domain = find_group_domain(groups)
    heads, lines, height = _place_lines(groups, place)
    x = {
        "field": "x", "type": "quantitative",
        "scale": {"domain": list(domain), "range": [place.left, place.right], "nice": False},
        "axis": build_axis(place.left, place.right, place.font - 1, title=axis_title),
    }  # fmt: skip
    y = {
        "field": "y", "type": "quantitative", "axis": None,
        "scale": {"domain": [height, 0], "nice": False, "zero": False},
    }  # fmt: skip
    marks: dict[str, list[dict[str, float]]] = {kind: [] for kind in _MARKS}
    marks["zero"].append({"x": 0.0, "y": height, "y2": 0.0})
    for line, at in lines:
        kind = "main" if line.is_main else "other"
        if line.estimate is not None:
            marks[kind].append({"x": line.estimate, "y": at})
            add_interval(marks, f"{kind}_ci", (line.low, line.high), at, domain)
    return {
        "width": place.width,
        "height": height,
        "padding": 4,
        "background": "transparent",
        "config": {"aria": False, "view": {"stroke": None}},
        "layer": [
            *(build_layer(_MARKS[kind], marks[kind], x=x, y=y) for kind in _MARKS if marks[kind]),
            *_build_texts(heads, lines, place, y=y),
        ],
    }


def _place_lines(
    groups: Sequence[LineGroup], place: _Place
) -> tuple[list[tuple[str, float]], list[tuple[Line, float]], float]:
    """Names of groups, and lines, each with its y; and the height of all."""
    heads: list[tuple[str, float]] = []
    lines: list[tuple[Line, float]] = []
    y = 0.0
    for group in groups:
        y += place.gap / 2
        heads.append((group.label, y + place.line / 2))
        y += place.head
        for line in group.lines:
            lines.append((line, y + place.line / 2))
            y += place.line
        y += place.gap / 2
    return heads, lines, max(y, float(place.line))


def _build_texts(
    heads: Sequence[tuple[str, float]],
    lines: Sequence[tuple[Line, float]],
    place: _Place,
    *,
    y: Spec,
) -> list[Spec]:
    label_at = 0 if place.is_narrow else 160
    columns = [
        ([{"y": at, "text": shorten(label, 26 if place.is_narrow else 20)} for label, at in heads],
         0, place.font, INK, "bold" if place.is_narrow else "normal"),
        ([{"y": at, "text": _label(line, is_narrow=place.is_narrow)} for line, at in lines],
         label_at, place.font - 1, MUTED, "normal"),
    ]  # fmt: skip
    if not place.is_narrow:
        notes = [{"y": at, "text": shorten(line.note, 20)} for line, at in lines if line.note]
        columns.append((notes, int(place.right) + 18, place.font - 1, MUTED, "normal"))
    return [
        {
            "data": {"values": values},
            "mark": {
                "type": "text", "baseline": "middle", "align": "left", "x": at,
                "fontSize": size, "color": color, "fontWeight": weight,
            },
            "encoding": {"y": y, "text": {"field": "text", "type": "nominal"}},
        }
        for values, at, size, color, weight in columns
        if values
    ]  # fmt: skip
