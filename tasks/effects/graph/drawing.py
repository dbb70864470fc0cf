"""A causal graph as static SVG: tiers from left to right, or from top to bottom where it is narrow.

Colours are the page's CSS variables with a fallback, so that the drawing stands in a page and as a
file of its own. Width and number of an edge repeat its stability; edges that were only suggested
are dashed. Names and reasons come from outside and are escaped, every one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from markupsafe import Markup

from tasks.effects.graph.layout import (
    Box,
    Picture,
    Point,
    Route,
    lay_out_narrow,
    lay_out_wide,
)
from tasks.effects.graph.model import Edge, Graph, clean_words

Layout = Literal["wide", "narrow"]

INK: Final = "var(--ink, #111)"
MUTED: Final = "var(--muted, #666)"
ACCENT: Final = "var(--accent, #0b5cad)"
PAPER: Final = "var(--paper, #fff)"
RULE: Final = "var(--rule, #ccc)"
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', sans-serif"
_LINE: Final = 20
_HEAD: Final = 9.0


@dataclass(frozen=True)
class _Style:
    color: str
    dashes: str
    width: float


def draw_graph(
    graph: Graph,
    *,
    layout: Layout,
    title: str,
    description: str,
    roles: Mapping[str, str] | None = None,
) -> Markup:
    """The graph as `<svg role="img">` with title and description.

    `roles` are words under the names of some columns, such as treatment and outcome, whose boxes
    are drawn in the accent colour.
    """
    lay_out = lay_out_wide if layout == "wide" else lay_out_narrow
    picture = lay_out(graph)
    legend, height = _draw_legend(graph, picture)
    parts = [
        _draw_background(picture, height),
        *(_draw_heading(at, text) for at, text in picture.headings),
        *(_draw_route(edge, route) for edge, route in picture.routes),
        *(_draw_box(box, (roles or {}).get(box.name, "")) for box in picture.boxes),
        *(_draw_label(edge, route) for edge, route in picture.routes),
        legend,
    ]
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" '
        'viewBox="0 0 {width} {height}" width="{width}" preserveAspectRatio="xMinYMin" '
        'font-family="{font}"><title>{title}</title><desc>{description}</desc>'
    ).format(
        width=picture.width,
        height=height,
        font=_FONT,
        title=clean_words(title, 200),
        description=clean_words(description, 1_000),
    )
    return head + Markup("\n").join(parts) + Markup("</svg>\n")


def _draw_background(picture: Picture, height: int) -> Markup:
    return Markup('<rect width="{}" height="{}" fill="{}"/>').format(picture.width, height, PAPER)


def _draw_heading(at: Point, text: str) -> Markup:
    return Markup(
        '<text x="{:.1f}" y="{:.1f}" font-size="12" text-anchor="start" fill="{}">{}</text>'
    ).format(at.x, at.y, MUTED, text)


def _draw_box(box: Box, role: str) -> Markup:
    color = ACCENT if role else MUTED
    middle = box.y + box.height / 2
    name = Markup(
        '<text x="{:.1f}" y="{:.1f}" font-size="13" text-anchor="middle" fill="{}">{}</text>'
    ).format(
        box.x + box.width / 2,
        middle + (-1 if role else 4.5),
        INK,
        clean_words(box.name, box.letters),
    )
    caption = Markup(
        '<text x="{:.1f}" y="{:.1f}" font-size="10.5" text-anchor="middle" fill="{}">{}</text>'
    ).format(box.x + box.width / 2, middle + 11.5, ACCENT, clean_words(role, box.letters + 3))
    return Markup(
        '<g><title>{}</title><rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="5" '
        'fill="{}" stroke="{}" stroke-width="{}"/>{}{}</g>'
    ).format(
        clean_words(box.name, 200), box.x, box.y, box.width, box.height, PAPER, color,
        1.8 if role else 1, name, caption if role else "",
    )  # fmt: skip


def _style(edge: Edge) -> _Style:
    if edge.origin == "prior":
        return _Style(MUTED, "5 4", 1.6)
    stability = 0.5 if edge.stability is None else edge.stability
    return _Style(ACCENT if edge.origin == "both" else INK, "none", 0.8 + 2.4 * stability)


def _draw_route(edge: Edge, route: Route) -> Markup:
    """The line, under a wider one in paper colour, so that what crosses below seems to end there."""
    style = _style(edge)
    first, second = edge.ends[0], edge.ends[-1]
    line = Markup(
        '<path d="{d}" fill="none" stroke="{paper}" stroke-width="{halo:.1f}"/>'
        '<path d="{d}" fill="none" stroke="{color}" stroke-width="{width:.1f}" '
        'stroke-dasharray="{dashes}"/>'
    ).format(
        d=route.path, paper=PAPER, halo=style.width + 4, color=style.color, width=style.width,
        dashes=style.dashes,
    )  # fmt: skip
    ends = ((route.start, route.start_side, first), (route.end, route.end_side, second))
    marks = [_draw_end(at, side, sign, style.color) for at, side, sign in ends]
    return Markup("<g><title>{}</title>{}{}{}</g>").format(_describe(edge), line, *marks)


def _draw_end(at: Point, side: int, sign: str, color: str) -> Markup:
    """An arrowhead or a circle where a line meets the left (-1) or right (1) side of a box."""
    if sign in "<>":
        return Markup('<path d="M{:.1f} {:.1f}l{:.1f} -4.5v9z" fill="{}"/>').format(
            at.x, at.y, side * _HEAD, color
        )
    if sign == "o":
        return Markup(
            '<circle cx="{:.1f}" cy="{:.1f}" r="3.4" fill="{}" stroke="{}" stroke-width="1.6"/>'
        ).format(at.x + side * 4, at.y, PAPER, color)
    return Markup("")


def _draw_label(edge: Edge, route: Route) -> Markup:
    if edge.stability is None or edge.origin == "prior":
        return Markup("")
    return Markup(
        '<text x="{:.1f}" y="{:.1f}" font-size="11" text-anchor="middle" fill="{}" stroke="{}" '
        'stroke-width="4" paint-order="stroke">{:.0f}%</text>'
    ).format(route.label.x, route.label.y + 3.8, INK, PAPER, 100 * edge.stability)


def _describe(edge: Edge) -> str:
    words = edge.show()
    if edge.stability is not None:
        words += f", joined in {edge.stability:.0%} of the bootstraps"
    if edge.suggestion is not None:
        one = edge.suggestion
        words += f"; suggested by {one.suggested_by} ({one.confidence:.2f}): {one.reason}"
    return clean_words(words, 600)


def _draw_legend(graph: Graph, picture: Picture) -> tuple[Markup, int]:
    """Lines of words for what the drawing uses, and the height of the whole picture."""
    parts = []
    y = picture.height + _LINE
    letters = int((picture.width - 64) / 5.9)
    for style, words in _list_legend(graph):
        lines = _wrap(words, letters)
        if style is not None:
            parts.append(
                Markup(
                    '<path d="M12 {y:.1f}h30" stroke="{color}" stroke-width="{width:.1f}" '
                    'stroke-dasharray="{dashes}"/>'
                ).format(y=y - 4, color=style.color, width=style.width, dashes=style.dashes)
            )
        for line in lines:
            parts.append(
                Markup('<text x="50" y="{:.1f}" font-size="12" fill="{}">{}</text>').format(
                    y, MUTED, line
                )
            )
            y += _LINE - 3
        y += 3
    return Markup("").join(parts), int(y)


def _list_legend(graph: Graph) -> list[tuple[_Style | None, str]]:
    edges = graph.edges
    rows: list[tuple[_Style | None, str]] = []
    if not edges:
        rows.append((None, "no edges: the data show no relation among these columns"))
    if any(edge.origin != "prior" for edge in edges):
        number = any(edge.stability is not None for edge in edges)
        tail = "; width and number: share of bootstraps that join the two" if number else ""
        rows.append((_Style(INK, "none", 2.4), f"shown by the data{tail}"))
    if any(edge.origin == "both" for edge in edges):
        rows.append((_Style(ACCENT, "none", 2.4), "shown by the data and suggested as well"))
    if any(edge.origin == "prior" for edge in edges):
        named = {e.suggestion.suggested_by for e in edges if e.suggestion and e.origin == "prior"}
        who = clean_words(", ".join(sorted(named)), 60)
        rows.append(
            (_Style(MUTED, "5 4", 1.6), f"only suggested, by {who}; the data do not show it")
        )
    used = {edge.ends for edge in edges}
    for ends, words in (
        (("---",), "no arrowhead: one causes the other, the direction is not known"),
        (("<->",), "two arrowheads: something hidden causes both"),
        (("o->", "o-o"), "circle: this end is not known; a hidden cause of both may be behind it"),
    ):
        if used & set(ends):
            rows.append((None, words))
    return rows


def _wrap(words: str, letters: int) -> Sequence[str]:
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
