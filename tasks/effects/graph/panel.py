"""The causal graph of a source's panel: controls, then attributes, then the rating.

Time runs one way: what was known before the review, what the review tells of, the rating. So no
edge may point back, and what is left to find is which controls matter for which attribute, and
which attributes touch the rating at all.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from tasks.effects.graph.adjust import find_adjustment
from tasks.effects.graph.answer import draw_answer
from tasks.effects.graph.discover import discover_graph
from tasks.effects.panel import CONTROL, TREND
from tasks.platform.errors import WhyrecError

METHOD: Final = "pc"
MAX_CONTROLS: Final = 8
MIN_MENTIONS: Final = 30
_SKIPPED: Final = (TREND, "c__weekday")


def prepare_columns(
    panel: pl.DataFrame, attributes: Sequence[str], outcome: str
) -> tuple[pl.DataFrame, list[list[str]]]:
    """The panel's columns for a graph, and their tiers.

    An attribute is one column of -1, 0 and 1; one that is called as another column gets a prime. Of
    the controls, the eight numbers that most rows have take part; attributes with fewer than 30
    mentions on a side do not.
    """
    numbers = [
        name
        for name in panel.columns
        if name.startswith(CONTROL) and name not in _SKIPPED and panel[name].dtype.is_numeric()
    ]
    known = {name: panel.height - panel[name].null_count() for name in numbers}
    chosen = sorted((n for n in numbers if known[n] > 0), key=lambda n: (-known[n], n))
    named = {name: name.removeprefix(CONTROL) for name in chosen[:MAX_CONTROLS]}
    taken = {"user_id", outcome, *named.values()}
    kept = {
        name: f"{name}'" if name in taken else name
        for name in attributes
        if _is_frequent(panel, name)
    }
    polarity = [
        (pl.col(f"{name}__positive") - pl.col(f"{name}__negative")).cast(pl.Float64).alias(short)
        for name, short in kept.items()
    ]
    frame = panel.select(
        "user_id",
        *(
            pl.col(name).fill_null(pl.col(name).median()).alias(short)
            for name, short in named.items()
        ),
        *polarity,
        outcome,
    )
    return frame, [list(named.values()), list(kept.values()), [outcome]]


def search_panel(
    panel: pl.DataFrame,
    *,
    source: str,
    attributes: Sequence[str],
    outcome: str,
    bootstraps: int,
    max_rows: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """The graph of one source, as a list of one document; none where too little is there.

    Keys: source, method, n, nodes, edges, adjustments, notes, svg_wide, svg_narrow.
    """
    frame, tiers = prepare_columns(panel, attributes, outcome)
    if not tiers[1] or frame.height == 0:
        return []
    try:
        graph = discover_graph(
            frame, tiers=[tier for tier in tiers if tier], method=METHOD, bootstraps=bootstraps,
            cluster="user_id", max_rows=max_rows, rng=rng,
        )  # fmt: skip
    except WhyrecError:
        return []
    there = {node.name for node in graph.nodes}
    adjustments = [find_adjustment(graph, name, outcome) for name in tiers[1] if name in there]
    return [
        {
            "source": source,
            **graph.to_dict(),
            "adjustments": [adjustment.to_dict() for adjustment in adjustments],
            "svg_wide": str(draw_answer(graph, adjustments, layout="wide", source=source)),
            "svg_narrow": str(draw_answer(graph, adjustments, layout="narrow", source=source)),
        }
    ]


def _is_frequent(panel: pl.DataFrame, name: str) -> bool:
    sides = [panel[f"{name}__{side}"].sum() for side in ("positive", "negative")]
    return min(sides) >= MIN_MENTIONS
