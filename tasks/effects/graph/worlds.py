"""All fully directed graphs that a graph with open ends allows: its worlds.

An edge of unknown direction is directed each way in turn. A world must be free of circles, and must
not make two unjoined columns meet head on where the search found that they do not. With hidden
causes allowed, worlds are maximal ancestral graphs (Richardson and Spirtes, Ancestral Graph Markov
Models, Annals of Statistics 30, 2002).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import Any, Final

import networkx as nx

from tasks.effects.graph.model import Edge, Ends, Graph

MAX_WORLDS: Final = 1_024
_CHOICES: Final[dict[Ends, tuple[str, ...]]] = {
    "-->": ("-->",),
    "---": ("-->", "<--"),
    "<->": ("<->",),
    "o->": ("-->", "<->"),
    "o-o": ("-->", "<--", "<->"),
}


@dataclass(frozen=True, eq=False)
class World:
    """One way in which every end is known.

    `choice[i]` are the ends given to edge i; `hidden` are pairs with a hidden common cause.
    """

    choice: tuple[str, ...]
    directed: Any
    hidden: tuple[tuple[str, str], ...]

    def descendants(self, name: str) -> set[str]:
        """What `name` changes, itself left out."""
        found: set[str] = nx.descendants(self.directed, name)
        return found

    def ancestors(self, name: str) -> set[str]:
        """What changes `name`, itself left out."""
        found: set[str] = nx.ancestors(self.directed, name)
        return found

    def points_into(self, a: str, b: str) -> bool:
        """Whether the edge of a and b has an arrowhead at b."""
        return self.directed.has_edge(a, b) or (a, b) in self.hidden or (b, a) in self.hidden

    def expand(self) -> Any:
        """The directed graph with hidden causes as nodes of their own."""
        full = self.directed.copy()
        for a, b in self.hidden:
            full.add_edges_from([((a, b), a), ((a, b), b)])
        return full


def count_choices(edges: Sequence[Edge]) -> int:
    """In how many ways the open ends could be set, possible or not."""
    return prod(len(_CHOICES[edge.ends]) for edge in edges)


def list_worlds(graph: Graph, edges: Sequence[Edge]) -> list[World]:
    """The worlds that `edges` of `graph` allow; none when the edges contradict one another.

    Where sampling error leaves no world without new head-on meetings, those are allowed.
    """
    joined = find_joined(graph, edges)
    worlds = []
    for choice in product(*(_CHOICES[edge.ends] for edge in edges)):
        world = _make_world(graph, edges, choice)
        if _is_possible(world):
            worlds.append(world)
    faithful = [world for world in worlds if not _has_new_collider(world, edges, joined)]
    return faithful or worlds


def find_joined(graph: Graph, edges: Sequence[Edge]) -> set[frozenset[str]]:
    """Pairs that cannot be said to be unjoined: edges that were left out as unstable count too."""
    return {edge.pair for edge in (*edges, *graph.left_out)}


def _make_world(graph: Graph, edges: Sequence[Edge], choice: tuple[str, ...]) -> World:
    directed: Any = nx.DiGraph()
    directed.add_nodes_from(graph.names)
    hidden = []
    for edge, ends in zip(edges, choice, strict=True):
        if ends == "-->":
            directed.add_edge(edge.source, edge.target)
        elif ends == "<--":
            directed.add_edge(edge.target, edge.source)
        else:
            hidden.append((edge.source, edge.target))
    return World(choice, directed, tuple(hidden))


def _is_possible(world: World) -> bool:
    if not nx.is_directed_acyclic_graph(world.directed):
        return False
    return not any(
        nx.has_path(world.directed, a, b) or nx.has_path(world.directed, b, a)
        for a, b in world.hidden
    )


def _has_new_collider(world: World, edges: Sequence[Edge], joined: set[frozenset[str]]) -> bool:
    """Whether two unjoined columns meet head on at a third, which the search had not found.

    A direction that was taken back, or only suggested, is free to do so.
    """
    firm = [edge for edge in edges if not edge.is_softened and edge.origin != "prior"]
    for one, other in combinations(firm, 2):
        shared = one.pair & other.pair
        outer = one.pair ^ other.pair
        if not shared or outer in joined:
            continue
        (middle,) = shared
        (a,), (c,) = one.pair - shared, other.pair - shared
        was_found = _has_arrow(one, middle) and _has_arrow(other, middle)
        if not was_found and world.points_into(a, middle) and world.points_into(c, middle):
            return True
    return False


def _has_arrow(edge: Edge, name: str) -> bool:
    return edge.kind == "bidirected" or (edge.target == name and edge.ends in ("-->", "o->"))
