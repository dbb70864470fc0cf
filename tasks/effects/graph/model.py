"""What a causal graph is made of: nodes in tiers, edges with a mark at each end and a stability.

Ends are written as the edge is drawn: `a --> b` a causes b, `a --- b` one causes the other, which
is not known, `a <-> b` a hidden cause of both, `a o-> b` b does not cause a (a may cause b, or
something hidden may cause both), `a o-o b` nothing is known but that they belong together.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from tasks.effects.graph.data import SetAside

Ends = Literal["-->", "---", "<->", "o->", "o-o"]
Kind = Literal["directed", "undirected", "bidirected", "partial"]
Origin = Literal["data", "prior", "both"]

KINDS: Final[dict[Ends, Kind]] = {
    "-->": "directed",
    "---": "undirected",
    "<->": "bidirected",
    "o->": "partial",
    "o-o": "partial",
}


@dataclass(frozen=True)
class Node:
    """A column of the table; tier 0 is the earliest."""

    name: str
    tier: int


@dataclass(frozen=True)
class Suggestion:
    """Who suggested an edge, how sure of it in [0, 1], and why, in their words."""

    suggested_by: str
    confidence: float
    reason: str


@dataclass(frozen=True)
class Edge:
    """An edge from `source` to `target`, the earlier first.

    `stability` is the share of bootstraps in which the two are joined at all, None without
    bootstraps; `shares` divides it by ends, read from source to target. `is_softened`: the data
    gave it a direction that too few bootstraps repeat, so it was taken back. An edge of origin
    "prior" was only suggested; the data do not show it.
    """

    source: str
    target: str
    ends: Ends
    stability: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    origin: Origin = "data"
    is_softened: bool = False
    suggestion: Suggestion | None = None

    @property
    def kind(self) -> Kind:
        """What the ends say."""
        return KINDS[self.ends]

    @property
    def pair(self) -> frozenset[str]:
        """Both names, whatever the direction."""
        return frozenset((self.source, self.target))

    def show(self) -> str:
        """The edge in one line, as in `age --> visits`."""
        return f"{self.source} {self.ends} {self.target}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        suggestion = self.suggestion
        return {
            "source": self.source,
            "target": self.target,
            "kind": self.kind,
            "ends": self.ends,
            "stability": self.stability,
            "shares": dict(self.shares),
            "origin": self.origin,
            "is_softened": self.is_softened,
            "suggested_by": suggestion.suggested_by if suggestion else None,
            "confidence": suggestion.confidence if suggestion else None,
            "reason": suggestion.reason if suggestion else None,
        }


@dataclass(frozen=True)
class Graph:
    """A graph that was searched for in `n` rows.

    `left_out` are edges that the search found in all rows but in too few bootstraps. They count as
    joined wherever it matters that two columns are *not* joined. `resamples` are the edges that each
    bootstrap found.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    method: str
    n: int
    left_out: tuple[Edge, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[str, ...] = ()
    resamples: tuple[tuple[Edge, ...], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the nodes, earliest tier first."""
        return tuple(node.name for node in self.nodes)

    @property
    def allows_hidden(self) -> bool:
        """Whether the graph admits hidden common causes."""
        return self.method == "fci" or any(
            edge.kind in ("bidirected", "partial") for edge in self.edges
        )

    def find_edge(self, a: str, b: str) -> Edge | None:
        """The edge between `a` and `b`, in whichever direction."""
        pair = frozenset((a, b))
        return next((edge for edge in self.edges if edge.pair == pair), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "nodes": [asdict(node) for node in self.nodes],
            "edges": [edge.to_dict() for edge in self.edges],
            "left_out": [edge.to_dict() for edge in self.left_out],
            "set_aside": [asdict(one) for one in self.set_aside],
            "method": self.method,
            "n": self.n,
            "notes": list(self.notes),
        }


def clean_words(text: str, limit: int) -> str:
    """`text` on one line without control, format or lone surrogate characters, cut at `limit`."""
    spaced = " ".join(text[: 4 * limit].split())
    kept = "".join(c for c in spaced if not unicodedata.category(c).startswith("C"))
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"
