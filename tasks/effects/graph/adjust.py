"""Which columns to adjust for, read off a graph: the back-door criterion in every world it allows.

A set is given only if it is valid whichever way the open ends of the graph turn out. Source: Pearl,
Causality (2nd ed. 2009), section 3.3, and for graphs with hidden causes Perković et al., Complete
Graphical Characterization and Construction of Adjustment Sets in Markov Equivalence Classes of
Ancestral Graphs, JMLR 18, 2018. If any set is valid, the ancestors of treatment and outcome that the
treatment does not change are one; from it we take away what is not needed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import networkx as nx

from tasks.effects.graph.model import Edge, Graph
from tasks.effects.graph.worlds import (
    MAX_WORLDS,
    World,
    count_choices,
    find_joined,
    list_worlds,
)
from tasks.platform.errors import ConfigError

AGREED: Final = 0.8
"""Share of bootstraps that are to call a set valid. Of 235 sets that pc found in 16 made worlds of
1,000 rows, seven columns and no tiers, 95% were right from there on, and half of those below."""
_FEW_WORLDS: Final = 256
"""Of one bootstrap, whose graph is looked at for each question; some seconds for 50 of them at most."""


@dataclass(frozen=True)
class Exclusion:
    """A column that must not be adjusted for, and why."""

    column: str
    why: str


@dataclass(frozen=True)
class Adjustment:
    """What to hold fixed to read the effect of `treatment` on `outcome` off the data.

    `adjust_for` is meaningless unless `is_identified`: then it may be empty, for nothing is needed.
    `stability` is the share of bootstraps by whose graph alone it would be valid too, None where
    there are none or it is not identified.
    """

    treatment: str
    outcome: str
    adjust_for: tuple[str, ...]
    is_identified: bool
    reason: str
    never_adjust_for: tuple[Exclusion, ...] = ()
    stability: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **asdict(self),
            "adjust_for": list(self.adjust_for),
            "never_adjust_for": [asdict(one) for one in self.never_adjust_for],
        }


@dataclass(frozen=True, eq=False)
class View:
    """A world as one question sees it.

    `after` is what the treatment changes, `before` what precedes treatment or outcome, `cut` the
    expanded graph without the first edges of causal paths. `unsafe` are columns that may share a
    hidden cause with the treatment on its way to the outcome.
    """

    world: World
    after: frozenset[str]
    before: frozenset[str]
    cut: Any
    unsafe: tuple[str, ...]


def find_adjustment(
    graph: Graph, treatment: str, outcome: str, *, use_priors: bool = False
) -> Adjustment:
    """The smallest set we can find that is valid in every world the graph allows, or why none is.

    `use_priors` takes suggested edges as if the data had shown them.

    Raises ConfigError when treatment or outcome was never a column of the graph.
    """
    absent = _find_absent(graph, treatment, outcome)
    if absent is not None:
        return Adjustment(treatment, outcome, (), False, absent)
    edges = [edge for edge in graph.edges if use_priors or edge.origin != "prior"]
    if count_choices(edges) > MAX_WORLDS:
        reason = (
            f"not identified: {sum(edge.kind != 'directed' for edge in edges)} edges have open ends, "
            f"which allows more than {MAX_WORLDS:,} graphs; name tiers, or fewer columns"
        )
        return Adjustment(treatment, outcome, (), False, reason)
    views = list(_iter_views(graph, edges, treatment, outcome))
    if not views:
        reason = "not identified: the edges contradict one another, they run in a circle"
        return Adjustment(treatment, outcome, (), False, reason)
    return _answer(graph, edges, views, treatment, outcome)


def _find_absent(graph: Graph, treatment: str, outcome: str) -> str | None:
    aside = {one.column: one.reason for one in graph.set_aside}
    check_asked([*graph.names, *aside], treatment, outcome)
    for name in (treatment, outcome):
        if name in aside:
            return f"not identified: {name} is not in the graph, {aside[name]}"
    return None


def check_asked(names: Sequence[str], treatment: str, outcome: str) -> None:
    """Raise ConfigError unless treatment and outcome are two of the columns `names` of a graph."""
    if treatment == outcome:
        raise ConfigError(f"{outcome} is named both outcome and treatment; name two columns")
    for name in (treatment, outcome):
        if name not in names:
            raise ConfigError(
                f"{name} is not in the graph; it has {', '.join(names[:20])}. Add it to the columns"
            )


def _answer(
    graph: Graph, edges: Sequence[Edge], views: Sequence[View], treatment: str, outcome: str
) -> Adjustment:
    chosen = _choose(graph, edges, views, treatment, outcome)
    excluded = _exclude_after(views, graph.names, treatment, outcome)
    if chosen is None:
        reason = _explain_failure(graph, edges, views, treatment, outcome)
        return Adjustment(treatment, outcome, (), False, reason, excluded)
    done = {one.column for one in excluded}
    rest = [name for name in graph.names if name not in {treatment, outcome, *chosen, *done}]
    opening = [
        Exclusion(name, why)
        for name in rest
        if (why := _explain_opening(views, treatment, outcome, {*chosen, name})) is not None
    ]
    agreeing = _count_agreeing(graph, edges, treatment, outcome, chosen)
    reason = _explain_success(graph, views, treatment, outcome)
    return Adjustment(
        treatment, outcome, tuple(name for name in graph.names if name in chosen), True,
        reason + _tell_agreeing(agreeing, len(graph.resamples)), (*excluded, *opening),
        stability=agreeing / len(graph.resamples) if graph.resamples else None,
    )  # fmt: skip


def _count_agreeing(
    graph: Graph, edges: Sequence[Edge], treatment: str, outcome: str, chosen: set[str]
) -> int:
    """Bootstraps by whose graph `chosen` is valid in every world; suggested edges count in each."""
    suggested = [edge for edge in edges if edge.origin == "prior"]
    agreeing = 0
    for found in graph.resamples:
        pairs = {edge.pair for edge in found}
        own = (*found, *(edge for edge in suggested if edge.pair not in pairs))
        agreeing += _is_safe(replace(graph, edges=own, left_out=()), treatment, outcome, chosen)
    return agreeing


def _is_safe(graph: Graph, treatment: str, outcome: str, chosen: set[str]) -> bool:
    """Whether a graph by itself calls `chosen` valid: one with too many worlds or none does not."""
    if count_choices(graph.edges) > _FEW_WORLDS:
        return False
    has_worlds = False
    for view in _iter_views(graph, graph.edges, treatment, outcome):
        has_worlds = True
        if view.after & chosen or not _is_valid([view], treatment, outcome, chosen):
            return False
    return has_worlds


def _tell_agreeing(agreeing: int, resamples: int) -> str:
    if not resamples:
        return ""
    said = f"; {agreeing} of {resamples} bootstraps agree"
    return said if agreeing >= AGREED * resamples else f"{said}, too few to rest on"


def _iter_views(
    graph: Graph, edges: Sequence[Edge], treatment: str, outcome: str
) -> Iterator[View]:
    """The worlds that `edges` of a graph allow, as one question sees them."""
    joined = find_joined(graph, edges)
    for world in list_worlds(graph, edges):
        yield _view(world, treatment, outcome, joined, allows_hidden=graph.allows_hidden)


def _view(
    world: World, treatment: str, outcome: str, joined: set[frozenset[str]], *, allows_hidden: bool
) -> View:
    upstream = world.ancestors(outcome) | {outcome}
    first = [name for name in world.directed.successors(treatment) if name in upstream]
    cut = world.expand()
    cut.remove_edges_from([(treatment, name) for name in first])
    shared = [b if a == treatment else a for a, b in world.hidden if treatment in (a, b)]
    unsafe = [name for name in shared if name == outcome]
    if allows_hidden:
        unsafe += [name for name in first if not _is_visible(world, treatment, name, joined)]
    return View(
        world=world,
        after=frozenset(world.descendants(treatment)),
        before=frozenset(world.ancestors(treatment) | world.ancestors(outcome)),
        cut=cut,
        unsafe=tuple(unsafe),
    )


def _is_visible(world: World, a: str, b: str, joined: set[frozenset[str]]) -> bool:
    """Whether a --> b cannot hide a common cause: Zhang, JMLR 9 (2008), definition 8.

    Some column not joined to b points into a, or reaches a by columns that all point at each other
    and are causes of b.
    """
    seen, queue = {a, b}, [a]
    while queue:
        here = queue.pop()
        for name in world.directed.nodes:
            if name in seen or not world.points_into(name, here):
                continue
            if frozenset((name, b)) not in joined:
                return True
            is_double = world.points_into(here, name)
            if is_double and world.directed.has_edge(name, b):
                seen.add(name)
                queue.append(name)
    return False


def _is_valid(views: Sequence[View], treatment: str, outcome: str, chosen: set[str]) -> bool:
    """Whether `chosen`, of which the treatment changes nothing, blocks every other path."""
    return all(
        not view.unsafe and nx.is_d_separator(view.cut, {treatment}, {outcome}, chosen)
        for view in views
    )


def _choose(
    graph: Graph, edges: Sequence[Edge], views: Sequence[View], treatment: str, outcome: str
) -> set[str] | None:
    """A valid set from which nothing more can be taken; what is near the treatment goes first.

    Columns near the outcome make the estimate more exact, those near the treatment less (Henckel et
    al., Graphical Criteria for Efficient Total Effect Estimation, JRSS B 84, 2022).
    """
    before = frozenset().union(*(view.before for view in views))
    after = frozenset().union(*(view.after for view in views))
    chosen = set(before - after - {treatment, outcome})
    if not _is_valid(views, treatment, outcome, chosen):
        return None
    skeleton: Any = nx.Graph()
    skeleton.add_nodes_from(graph.names)
    skeleton.add_edges_from(
        (edge.source, edge.target) for edge in edges if treatment not in edge.pair
    )
    distance = nx.single_source_shortest_path_length(skeleton, outcome)
    for name in sorted(sorted(chosen), key=lambda one: -distance.get(one, len(graph.names))):
        if _is_valid(views, treatment, outcome, chosen - {name}):
            chosen = chosen - {name}
    return chosen


def _explain_opening(
    views: Sequence[View], treatment: str, outcome: str, chosen: set[str]
) -> str | None:
    """Why a column before the treatment does harm, None where it does none."""
    opened = sum(not _is_valid([view], treatment, outcome, chosen) for view in views)
    if not opened:
        return None
    may = "opens" if opened == len(views) else "may open"
    return f"a collider, or what follows one: adjusting for it {may} a path"


def _exclude_after(
    views: Sequence[View], names: Sequence[str], treatment: str, outcome: str
) -> tuple[Exclusion, ...]:
    """What the treatment changes, in some world at least."""
    found = []
    for name in names:
        after = [view for view in views if name in view.after]
        if name == outcome or not after:
            continue
        is_between = any(outcome in view.world.descendants(name) for view in after)
        may = "" if len(after) == len(views) else "may "
        lies, changed = ("lie", "be") if may else ("lies", "is")
        why = (
            f"it {may}{lies} between {treatment} and {outcome}"
            if is_between
            else f"it {may}{changed} changed by {treatment}"
        )
        found.append(Exclusion(name, why))
    return tuple(found)


def _explain_success(graph: Graph, views: Sequence[View], treatment: str, outcome: str) -> str:
    where = "the graph" if len(views) == 1 else f"all {len(views)} graphs that the open ends allow"
    reason = f"blocks every back-door path in {where}"
    if not any(outcome in view.after for view in views):
        reason += (
            f"; no path from {treatment} to {outcome} was found, which is no proof of no effect"
        )
    unseen = _find_unseen(graph, treatment)
    if unseen:
        reason += (
            f"; knows nothing of {', '.join(unseen[:5])} (set aside), which may confound: what comes "
            f"before {treatment} is to be adjusted for as well"
        )
    if not graph.allows_hidden:
        reason += "; supposes no hidden common causes"
    return reason


def _find_unseen(graph: Graph, treatment: str) -> list[str]:
    """Columns set aside that may cause the treatment, and of which the graph holds nothing."""
    tier = next(node.tier for node in graph.nodes if node.name == treatment)
    return [one.column for one in graph.set_aside if one.is_unseen and one.tier <= tier]


def _explain_failure(
    graph: Graph, edges: Sequence[Edge], views: Sequence[View], treatment: str, outcome: str
) -> str:
    if all(treatment in view.world.descendants(outcome) for view in views):
        return f"not identified: by the graph {outcome} causes {treatment}; should they be swapped?"
    always = set.intersection(*(set(view.unsafe) for view in views))
    if always:
        return (
            f"not identified: the data cannot rule out a hidden common cause of {treatment} and "
            f"{', '.join(sorted(always))}; measure it, or find what moves {treatment} alone"
        )
    knowing = _find_pivots(graph, edges, views, treatment, outcome)
    if knowing:
        return f"not identified without knowing {'; or '.join(knowing)}"
    opened = [edge.show() for edge in edges if edge.kind in ("undirected", "partial")]
    if not opened:
        return "not identified: hidden common causes open paths that no column blocks"
    return f"not identified without knowing more than one of {', '.join(opened[:6])}; name tiers"


def _find_pivots(
    graph: Graph, edges: Sequence[Edge], views: Sequence[View], treatment: str, outcome: str
) -> list[str]:
    """Open edges of which one direction alone would settle the question, in words."""
    found = []
    for index, edge in enumerate(edges):
        options = sorted({view.world.choice[index] for view in views})
        settled = [
            option
            for option in options
            if len(options) > 1
            and _choose(
                graph, edges, [v for v in views if v.world.choice[index] == option], treatment,
                outcome,
            )
            is not None
        ]  # fmt: skip
        if settled:
            ways = " or ".join(f"{edge.source} {option} {edge.target}" for option in settled)
            found.append(f"{edge.source} — {edge.target} (identified if {ways})")
    return found[:4]
