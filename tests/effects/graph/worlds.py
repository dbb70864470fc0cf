"""Linear worlds whose graph and total effects are known, with or without columns hidden from view."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.effects.graph.model import Edge, Graph, Node
from tasks.effects.graph.search import Evidence

SIGNS = {-1: ("-", "-"), 1: ("<", ">"), 2: ("o", "o")}


@dataclass(frozen=True, eq=False)
class LinearWorld:
    """`weights[a, b]` is the direct effect of a on b, a before b; noise has unit deviation.

    The first `hidden` columns are not observed. Column i of those observed is called "x<i>".
    """

    weights: np.ndarray
    hidden: int

    @property
    def reach(self) -> np.ndarray:
        """`reach[a, b]` is the total effect of a on b: the sum over paths of products of weights."""
        return np.linalg.inv(np.eye(len(self.weights)) - self.weights)

    @property
    def covariance(self) -> np.ndarray:
        seen = self.reach[:, self.hidden :]
        return seen.T @ seen

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"x{i}" for i in range(len(self.weights) - self.hidden))

    def total_effect(self, a: int, b: int) -> float:
        return float(self.reach[self.hidden + a, self.hidden + b])

    def regress(self, outcome: int, treatment: int, adjusted: list[int]) -> float:
        """Population coefficient of the treatment in outcome ~ treatment + adjusted."""
        given = [treatment, *adjusted]
        cross = self.covariance[np.ix_(given, [outcome])]
        return float(np.linalg.solve(self.covariance[np.ix_(given, given)], cross)[0, 0])

    def evidence(self, tiers: tuple[int, ...]) -> Evidence:
        """What an endless sample would show."""
        deviation = np.sqrt(np.diag(self.covariance))
        blocks = tuple((i,) for i in range(len(deviation)))
        return Evidence(self.covariance / np.outer(deviation, deviation), 1e8, blocks, tiers)

    def true_graph(self) -> Graph:
        edges = [
            Edge(a, b, "-->")
            for i, a in enumerate(self.names)
            for j, b in enumerate(self.names)
            if self.weights[self.hidden + i, self.hidden + j]
        ]
        return make_graph(edges, names=self.names)


def draw_world(seed: int, *, size: int, hidden: int, density: float = 0.45) -> LinearWorld:
    """A random world; every hidden column causes two observed ones or more."""
    rng = np.random.default_rng(seed)
    total = size + hidden
    strength = rng.uniform(0.4, 1.2, (total, total)) * rng.choice([-1, 1], (total, total))
    weights = np.triu(strength * (rng.random((total, total)) < density), k=1)
    for row in range(hidden):
        weights[:, row] = 0
        chosen = rng.choice(np.arange(hidden, total), 2, replace=False)
        weights[row, chosen] = strength[row, chosen]
    return LinearWorld(weights, hidden)


def draw_columns(
    seed: int, *, rows: int = 1000, size: int = 7
) -> tuple[pl.DataFrame, set[tuple[str, str]]]:
    """Columns of a random linear graph, in causal order, and its arrows."""
    rng = np.random.default_rng(seed)
    data: dict[str, np.ndarray] = {}
    arrows = set()
    for j in range(size):
        column = rng.normal(size=rows)
        for i in range(j):
            if rng.random() < 2 / (size - 1):
                arrows.add((f"v{i}", f"v{j}"))
                past = data[f"v{i}"]
                column = column + rng.choice([-1, 1]) * rng.uniform(0.4, 0.9) * past / past.std()
        data[f"v{j}"] = column
    return pl.DataFrame(data), arrows


def make_graph(edges, *, names=None, method="pc", tiers=None, **more) -> Graph:
    """A graph of given edges, one tier unless told."""
    names = names or sorted({name for edge in edges for name in edge.pair})
    tiers = tiers or {}
    nodes = tuple(Node(name, tiers.get(name, 0)) for name in names)
    return Graph(nodes=nodes, edges=tuple(edges), method=method, n=1_000, **more)


def parse_edges(text: str) -> list[Edge]:
    """Edges written as "a --> b, b o-> c"."""
    words = [part.split() for part in text.split(",")]
    return [Edge(source, target, ends) for source, ends, target in words]


def read_marks(marks, names, method) -> Graph:
    """The graph that a search's marks describe."""
    edges = []
    for a, b in zip(*np.nonzero(np.triu(marks)), strict=True):
        if marks[a, b] == 1 and marks[b, a] != 1:
            a, b = b, a
        ends = SIGNS[int(marks[a, b])][0] + "-" + SIGNS[int(marks[b, a])][1]
        edges.append(Edge(names[a], names[b], ends))
    return make_graph(edges, names=names, method=method)
