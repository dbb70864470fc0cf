"""A causal graph with what it says of some questions: drawn, and in words."""

from collections.abc import Sequence

from markupsafe import Markup

from tasks.effects.graph.adjust import Adjustment
from tasks.effects.graph.drawing import Layout, draw_graph
from tasks.effects.graph.model import Graph


def draw_answer(
    graph: Graph, adjustments: Sequence[Adjustment], *, layout: Layout, source: str
) -> Markup:
    """The graph as SVG, with treatments, outcome and what to adjust for marked."""
    found = [one for one in adjustments if one.is_identified]
    roles = {name: "adjust for" for one in found for name in one.adjust_for}
    roles |= {one.treatment: "treatment" for one in adjustments}
    roles |= {one.outcome: "outcome" for one in adjustments}
    words = [f"{one.treatment} to {one.outcome}: {explain_adjustment(one)}" for one in adjustments]
    return draw_graph(
        graph, layout=layout, title=f"Causal graph of {source}",
        description=" ".join([f"{graph.method}, {graph.n:,} rows.", *words]), roles=roles,
    )  # fmt: skip


def explain_adjustment(adjustment: Adjustment) -> str:
    """What to adjust for, in words."""
    if not adjustment.is_identified:
        return adjustment.reason
    names = ", ".join(adjustment.adjust_for) or "nothing"
    return f"adjust for {names} ({adjustment.reason})"
