"""Causal graphs on the page: drawings that were read before they are let in, edges, adjustment sets.

A drawing is markup from outside this room. It is let in whole or not at all: it must be well-formed
XML without declarations, comments or sections, of the few elements and attributes that our own
drawings have, which load nothing, run nothing and name nothing that the page could be led to.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

from markupsafe import Markup

from tasks.report.effects import EffectGroup, group_effects, headline_groups, is_told
from tasks.report.graph_rows import GraphAdjustment, GraphEdge, GraphRow
from tasks.report.model import NightReport
from tasks.report.words import format_plural, join_words, name_attribute, tell_count

MAX_DRAWING: Final = 120_000
"""Characters of one drawing; a larger one is left out, the table of edges stands for it."""
KIND_WORDS: Final[Mapping[str, str]] = {
    "directed": "causes",
    "undirected": "one causes the other, the direction is not known",
    "bidirected": "something hidden causes both",
    "partial": "related; one end is not known, a hidden cause of both may be behind it",
}
ORIGIN_WORDS: Final[Mapping[str, str]] = {
    "data": "the data",
    "both": "the data, and suggested by a language model as well",
    "prior": "only suggested by a language model; the data do not show it",
}
_OPEN: Final = ("undirected", "partial")
"""Kinds of edges of which an end is not known."""
_SVG: Final = "{http://www.w3.org/2000/svg}"
_ELEMENTS: Final = frozenset(
    {"svg", "g", "title", "desc", "text", "tspan", "rect", "path", "circle", "ellipse", "line",
     "polyline", "polygon"}
)  # fmt: skip
_LEAVES: Final = frozenset({"title", "desc", "tspan"})
"""In HTML the first two may hold markup of any kind: here they hold text only."""
_ATTRIBUTES: Final = frozenset(
    {"class", "cx", "cy", "d", "dominant-baseline", "dx", "dy", "fill", "fill-opacity",
     "font-family", "font-size", "font-weight", "height", "opacity", "paint-order", "points",
     "preserveAspectRatio", "r", "role", "rx", "ry", "stroke", "stroke-dasharray",
     "stroke-linecap", "stroke-linejoin", "stroke-opacity", "stroke-width", "text-anchor",
     "transform", "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2"}
)  # fmt: skip
_REFUSED: Final = re.compile(
    r"<script|<style|<!|<\?|href|foreignobject|\bon\w+\s*=|javascript:|url\s*\(", re.IGNORECASE
)


@dataclass(frozen=True)
class GraphView:
    """One graph. The drawings are None unless both were let in.

    `doubt` says where it misses what the effects show, or is empty.
    """

    source: str
    sentence: str
    edges: tuple[GraphEdge, ...]
    n_hidden_edges: int
    adjustments: tuple[GraphAdjustment, ...]
    doubt: str
    notes: tuple[str, ...]
    is_refused: bool
    wide: Markup | None
    narrow: Markup | None


def view_graphs(report: NightReport, *, most_edges: int) -> tuple[GraphView, ...]:
    """Every graph of the night, with at most `most_edges` edges in its table."""
    groups = headline_groups(group_effects(report.effects))
    return tuple(
        _view_graph(graph, groups, report.labels, most_edges=most_edges) for graph in report.graphs
    )


def _view_graph(
    graph: GraphRow,
    groups: Sequence[EffectGroup],
    labels: Mapping[str, str],
    *,
    most_edges: int,
) -> GraphView:
    wide, narrow = accept_drawing(graph.svg_wide), accept_drawing(graph.svg_narrow)
    is_whole = wide is not None and narrow is not None
    return GraphView(
        source=graph.source,
        sentence=_tell_graph(graph),
        edges=graph.edges[:most_edges],
        n_hidden_edges=max(len(graph.edges) - most_edges, 0),
        adjustments=graph.adjustments[:most_edges],
        doubt=_tell_doubt(graph, groups, labels),
        notes=graph.notes,
        is_refused=bool(graph.svg_wide or graph.svg_narrow) and not is_whole,
        wide=wide if is_whole else None,
        narrow=narrow if is_whole else None,
    )


def _tell_graph(graph: GraphRow) -> str:
    """Searched by pc in 2,000 rows: six edges, one of them only suggested by a language model."""
    by = f"by {graph.method} " if graph.method else ""
    text = f"Searched {by}in {format_plural(graph.n, 'row')}: "
    if not graph.edges:
        return f"{text}no edges, the data show no relation among the columns."
    text += format_plural(len(graph.edges), "edge")
    suggested = sum(edge.is_suggested_only for edge in graph.edges)
    if suggested:
        text += f", {tell_count(suggested)} of them only suggested by a language model"
    return f"{text}."


def _tell_doubt(graph: GraphRow, groups: Sequence[EffectGroup], labels: Mapping[str, str]) -> str:
    """Effects that are credible and not zero, and to which no path of the graph leads.

    A search by independence cuts an edge where some set of columns leaves two columns unrelated; where
    confounding works against the effect there is such a set (unfaithfulness: Spirtes, Glymour &
    Scheines 2000, Causation, Prediction, and Search, 2.3.3).
    """
    told = []
    for group in groups:
        if group.source != graph.source:
            continue
        asked = {one.treatment for one in graph.adjustments if one.outcome == group.outcome}
        missed = [
            name_attribute(row.attribute, labels)
            for row in group.rows
            if (name := _find_column(row.attribute, asked)) is not None
            and row.verdict == "credible"
            and is_told(row)
            and not _may_reach(graph.edges, name, group.outcome)
        ]
        if missed:
            whose = "whose effect is" if len(missed) == 1 else "whose effects are"
            told.append(
                f"The search found no path to {group.outcome} from {join_words(missed)}, {whose} credible "
                "above. A missing arrow says that some set of columns made the two look unrelated, as "
                "confounding that works against an effect can; it does not refute the effect."
            )
    return " ".join(told)


def _find_column(attribute: str, columns: Collection[str]) -> str | None:
    """What an attribute is called among the graph's `columns`: with a prime where another has its name."""
    return next((name for name in (attribute, f"{attribute}'") if name in columns), None)


def _may_reach(edges: Sequence[GraphEdge], start: str, goal: str) -> bool:
    """Whether arrows, with open ends read either way, lead from one column to another."""
    found, open_ends = {start}, [start]
    while open_ends:
        name = open_ends.pop()
        for edge in edges:
            ends = [(edge.source, edge.target)]
            if edge.kind in _OPEN:
                ends.append((edge.target, edge.source))
            for tail, head in ends:
                if edge.kind != "bidirected" and tail == name and head not in found:
                    found.add(head)
                    open_ends.append(head)
    return goal in found


def accept_drawing(text: str) -> Markup | None:
    """The drawing, if it is of our own kind; None for anything else."""
    if not text.startswith("<svg") or len(text) > MAX_DRAWING or _REFUSED.search(text):
        return None
    if any(unicodedata.category(c).startswith("C") and c != "\n" for c in text):
        return None
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - no declarations, hence no entities
    except ElementTree.ParseError:
        return None
    if root.tag.removeprefix(_SVG) != "svg" or not all(map(_is_harmless, root.iter())):
        return None
    nested = sum(element.tag.removeprefix(_SVG) == "svg" for element in root.iter())
    return Markup(text.strip()) if nested == 1 else None


def _is_harmless(element: ElementTree.Element) -> bool:
    """An element of a drawing, with attributes of a drawing, and nothing inside a text."""
    tag = element.tag.removeprefix(_SVG)
    if tag not in _ELEMENTS or (tag in _LEAVES and len(element)):
        return False
    if not set(element.attrib) <= _ATTRIBUTES:
        return False
    return element.get("class", "chart") == "chart" and element.get("role", "img") == "img"
