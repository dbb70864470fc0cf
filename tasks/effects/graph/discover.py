"""Causal discovery: which columns of a table cause which, as far as the data can tell.

PC and GES suppose that nothing hidden causes two of the columns; FCI does not, and says less. How
sure an edge is, bootstraps of rows (of clusters, where there are some) tell: an edge that few of
them repeat is left out, a direction that few of them repeat is taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray
from tasks.effects.graph.data import Roles, Variables, assign_tiers, prepare_variables
from tasks.effects.graph.model import Edge, Ends, Graph, Node
from tasks.effects.graph.prior import EdgePrior, check_prior, merge_priors
from tasks.effects.graph.search import (
    ARROW,
    CIRCLE,
    NEARLY_TOLD,
    TAIL,
    Evidence,
    Marks,
    Method,
    correlate,
    leave_share,
    search,
)
from tasks.effects.graph.worth import RowWorth
from tasks.platform.errors import ConfigError, EstimationError

MAX_BOOTSTRAPS: Final = 1_000
_LEFT: Final = {TAIL: "-", ARROW: "<", CIRCLE: "o"}
_RIGHT: Final = {TAIL: "-", ARROW: ">", CIRCLE: "o"}
_ASSUMED: Final = {
    "pc": "pc supposes that nothing hidden causes two of these columns; fci does not suppose it",
    "ges": "ges supposes that nothing hidden causes two of these columns; fci does not suppose it",
    "fci": "fci allows for hidden causes of two columns, but supposes that rows were not selected",
}


@dataclass(frozen=True, eq=False)
class Sightings:
    """`marks` (B, p, p) of B bootstraps, see `graph_search.Marks`; B may be 0."""

    marks: Marks

    def stability(self, a: int, b: int) -> float | None:
        """Share of bootstraps that join a and b; None without bootstraps."""
        return float((self.marks[:, a, b] != 0).mean()) if len(self.marks) else None

    def shares(self, a: int, b: int) -> dict[str, float]:
        """Share of bootstraps by ends, read from a to b."""
        found = [_draw(m[a, b], m[b, a]) for m in self.marks if m[a, b] != 0]
        return {ends: found.count(ends) / len(self.marks) for ends in sorted(set(found))}


def discover_graph(
    frame: pl.DataFrame,
    *,
    columns: Sequence[str] = (),
    tiers: Sequence[Sequence[str]] = (),
    method: Method = "pc",
    alpha: float = 0.01,
    bootstraps: int = 50,
    min_stability: float = 0.5,
    cluster: str | None = None,
    priors: Sequence[EdgePrior] = (),
    max_rows: int = 5_000,
    max_levels: int = 12,
    rng: np.random.Generator,
) -> Graph:
    """Search `columns` for a causal graph that no edge of which points back to an earlier tier.

    `alpha` is the level of the tests of PC and FCI (GES scores by BIC instead). Of more than
    `max_rows` rows a sample is searched. Text of more than `max_levels` levels is set aside.

    Raises ConfigError for contradictory arguments, InputError for absent columns, EstimationError
    when too little is left to search.
    """
    _check_numbers(alpha=alpha, bootstraps=bootstraps, min_stability=min_stability)
    roles = assign_tiers(columns, tiers, cluster=cluster)
    for prior in priors:
        check_prior(prior, roles)
    variables = prepare_variables(
        frame, roles, max_rows=max_rows, max_levels=max_levels, rng=rng
    )  # fmt: skip
    worth = None if cluster is None else RowWorth(variables.scores, variables.cluster)
    evidence = Evidence(
        correlate(variables.scores, np.ones(variables.n)),
        # what counts rows once for all columns (ges) counts them as those that are worth least
        float(_count_pairs(variables, worth).min()), variables.blocks, variables.tiers, worth,
    )  # fmt: skip
    marks, turned = search(evidence, method=method, alpha=alpha)
    sightings, failed = _bootstrap(
        variables, evidence, method=method, alpha=alpha, times=bootstraps, rng=rng
    )
    kept, left_out = _judge_edges(marks, sightings, variables, min_stability, method)
    notes = [*variables.notes, *_note_search(method, roles, variables, evidence, turned, failed)]
    notes += _note_edges(kept, left_out, min_stability, bootstraps)
    edges, prior_notes = _add_priors(kept, priors, variables, sightings)
    return Graph(
        nodes=tuple(map(Node, variables.names, variables.tiers)),
        edges=edges,
        method=method,
        n=variables.n,
        left_out=left_out,
        set_aside=variables.set_aside,
        notes=(*notes, *prior_notes),
        resamples=tuple(_list_edges(one, variables) for one in sightings.marks),
    )


def _check_numbers(*, alpha: float, bootstraps: int, min_stability: float) -> None:
    if not 0 < alpha < 0.5:
        raise ConfigError(f"alpha {alpha} is not in (0, 0.5); 0.01 is usual")
    if not 0 <= bootstraps <= MAX_BOOTSTRAPS:
        raise ConfigError(f"bootstraps {bootstraps} is not in [0, {MAX_BOOTSTRAPS:,}]")
    if not 0 <= min_stability <= 1:
        raise ConfigError(f"min_stability {min_stability} is not in [0, 1]")


def _count_pairs(variables: Variables, worth: RowWorth | None) -> FloatArray:
    """Rows that each pair of variables is worth, shape (pairs,)."""
    return np.array([variables.n]) if worth is None else worth.count_pairs(variables.blocks)


def _bootstrap(
    variables: Variables,
    evidence: Evidence,
    *,
    method: Method,
    alpha: float,
    times: int,
    rng: np.random.Generator,
) -> tuple[Sightings, int]:
    """Search `times` resamples of the clusters; how many searches had to be given up."""
    groups = int(variables.cluster.max()) + 1
    size = len(variables.names)
    found = []
    for _ in range(times):
        counts = rng.multinomial(groups, np.full(groups, 1 / groups))
        weights = counts[variables.cluster].astype(np.float64)
        drawn = replace(evidence, correlation=correlate(variables.scores, weights))
        try:
            found.append(search(drawn, method=method, alpha=alpha)[0])
        except EstimationError:
            continue
    marks = np.array(found, dtype=np.int8).reshape(len(found), size, size)
    return Sightings(marks), times - len(found)


def _judge_edges(
    marks: Marks,
    sightings: Sightings,
    variables: Variables,
    min_stability: float,
    method: Method,
) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    """Edges that are kept, unsure directions taken back, and those left out as unstable."""
    kept: list[Edge] = []
    left_out: list[Edge] = []
    for a, b in zip(*np.nonzero(np.triu(marks)), strict=True):
        stability = sightings.stability(a, b)
        is_kept = stability is None or stability >= min_stability
        ends, is_softened = (int(marks[a, b]), int(marks[b, a])), False
        if is_kept and stability:
            # the tiers decide of edges between them, no bootstrap can take that back
            is_later = variables.tiers[b] > variables.tiers[a]
            seen = sightings.marks[sightings.marks[:, a, b] != 0][:, [a, b], [b, a]]
            softer = _soften(ends, seen, min_stability, method, is_later=is_later)
            ends, is_softened = softer, softer != ends
        edge = _make_edge((int(a), int(b)), ends, sightings, variables, is_softened=is_softened)
        (kept if is_kept else left_out).append(edge)
    return tuple(kept), tuple(left_out)


def _soften(
    ends: tuple[int, int], seen: Marks, min_share: float, method: Method, *, is_later: bool
) -> tuple[int, int]:
    """`ends` without what fewer than `min_share` of the sightings (k, 2) repeat."""
    if method != "fci":
        is_sure = (
            bool(is_later) or ends == (TAIL, TAIL) or (seen == ends).all(1).mean() >= min_share
        )
        return ends if is_sure else (TAIL, TAIL)
    shares = (seen == ends).mean(axis=0)
    first = ends[0] if shares[0] >= min_share else CIRCLE
    second = ends[1] if is_later or shares[1] >= min_share else CIRCLE
    # a tail is only known opposite an arrowhead
    if second == CIRCLE and first == TAIL:
        first = CIRCLE
    if first == CIRCLE and second == TAIL:
        second = CIRCLE
    return first, second


def _list_edges(marks: Marks, variables: Variables) -> tuple[Edge, ...]:
    """The edges of one search, with nothing known of how stable they are."""
    unseen = Sightings(np.zeros((0, *marks.shape), dtype=np.int8))
    return tuple(
        _make_edge(
            (int(a), int(b)), (int(marks[a, b]), int(marks[b, a])), unseen, variables,
            is_softened=False,
        )
        for a, b in zip(*np.nonzero(np.triu(marks)), strict=True)
    )  # fmt: skip


def _make_edge(
    at: tuple[int, int],
    ends: tuple[int, int],
    sightings: Sightings,
    variables: Variables,
    *,
    is_softened: bool,
) -> Edge:
    a, b = at if not (ends[0] == ARROW and ends[1] != ARROW) else (at[1], at[0])
    first, second = ends if (a, b) == at else (ends[1], ends[0])
    return Edge(
        source=variables.names[a],
        target=variables.names[b],
        ends=_draw(first, second),
        stability=sightings.stability(a, b),
        shares=sightings.shares(a, b),
        is_softened=is_softened,
    )


def _draw(first: int, second: int) -> Ends:
    drawn: Ends = f"{_LEFT[int(first)]}-{_RIGHT[int(second)]}"  # type: ignore[assignment]
    return drawn


def _add_priors(
    edges: tuple[Edge, ...],
    priors: Sequence[EdgePrior],
    variables: Variables,
    sightings: Sightings,
) -> tuple[tuple[Edge, ...], list[str]]:
    at = {name: index for index, name in enumerate(variables.names)}
    return merge_priors(
        edges, priors, names=variables.names,
        find_stability=lambda a, b: sightings.stability(at[a], at[b]),
    )  # fmt: skip


def _note_search(
    method: Method,
    roles: Roles,
    variables: Variables,
    evidence: Evidence,
    turned: int,
    failed: int,
) -> list[str]:
    rows = _tell_rows(_count_pairs(variables, evidence.worth), method)
    notes = [
        _ASSUMED[method],
        f"what {rows} rows are too few to show is missing: no edge is no proof of no effect",
    ]
    if method == "ges" and len(set(variables.tiers)) > 1:
        notes.append("ges searches without tiers; edges between tiers were directed by them after")
    if len(set(variables.tiers)) == 1:
        notes.append("without tiers many directions stay open; name what comes first")
    if turned:
        notes.append(f"{turned} edges that {method} pointed to an earlier tier were turned round")
    if rows != f"{variables.n:,}":
        notes.append(
            f"rows of one {roles.cluster} are alike: {variables.n:,} rows counted as {rows}"
        )
    notes += _note_determined(evidence, variables.names)
    if failed:
        notes.append(f"{failed} bootstraps took too many tests and were given up")
    return notes


def _note_determined(evidence: Evidence, names: Sequence[str]) -> list[str]:
    every = range(len(evidence.correlation))
    found = [
        name
        for name, block in zip(names, evidence.blocks, strict=True)
        if leave_share(evidence.correlation, block, [one for one in every if one not in block])
        < NEARLY_TOLD
    ]
    if not found:
        return []
    return [
        f"{', '.join(found[:8])}: the other columns tell over {1 - NEARLY_TOLD:.0%} of each of these; "
        "where no test can say to which of them an edge belongs, all keep it. Leave out what repeats "
        "others"
    ]


def _tell_rows(pairs: FloatArray, method: Method) -> str:
    """Rows that pairs of columns are worth, in words; ges knows only the least of them."""
    least, most = (f"{rows:,.0f}" for rows in (pairs.min(), pairs.max()))
    return least if least == most or method == "ges" else f"{least} to {most}"


def _note_edges(
    kept: Sequence[Edge], left_out: Sequence[Edge], min_stability: float, bootstraps: int
) -> list[str]:
    if not bootstraps:
        return ["without bootstraps nothing is known of how stable the edges are"]
    notes = [
        "stability says how often resamples agree, not that they are right: where paths nearly cancel "
        "all of them err alike, in directions most of all"
    ]
    if left_out:
        shown = ", ".join(f"{edge.show()} ({edge.stability:.2f})" for edge in left_out[:8])
        notes.append(
            f"{len(left_out)} edges seen in fewer than {min_stability:.0%} of the bootstraps were "
            f"left out: {shown}"
        )
    softened = [edge.show() for edge in kept if edge.is_softened]
    if softened:
        notes.append(f"too few bootstraps repeat the direction of {', '.join(softened[:8])}")
    return notes
