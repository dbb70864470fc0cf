"""Causal graphs of a single file: search, adjustment sets, drawing. No warehouse, no schedule."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flows.desk.outputs import check_output, write_output
from flows.desk.sources import read_source
from tasks.effects.graph.adjust import check_asked, find_adjustment
from tasks.effects.graph.answer import draw_answer
from tasks.effects.graph.data import assign_tiers
from tasks.effects.graph.discover import discover_graph
from tasks.effects.graph.drawing import Layout
from tasks.effects.graph.prior import EdgePrior, read_prior, score_prior
from tasks.effects.graph.search import Method
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.settings import load_settings
from tasks.platform.site import resolve_site
from tasks.text.extractors import MODELS, open_llm

MAX_PRIOR_BYTES = 5_000_000


def graph_file(
    path: str,
    *,
    columns: Sequence[str] = (),
    tiers: Sequence[Sequence[str]] = (),
    method: Method = "pc",
    outcome: str | None = None,
    treatments: Sequence[str] = (),
    cluster: str | None = None,
    prior: str | None = None,
    ask_llm: bool = False,
    use_prior: bool = False,
    out: str | None = None,
    layout: Layout = "wide",
    alpha: float = 0.01,
    bootstraps: int = 50,
    min_stability: float = 0.5,
    max_rows: int = 5_000,
    seed: int = 0,
    config: str | None = None,
) -> dict[str, Any]:
    """The graph of a CSV, TSV, Parquet or Stata file, and what to adjust for; draws it to `out`.

    Without columns and tiers, all columns but the cluster are searched.
    """
    if bool(treatments) != bool(outcome):
        raise ConfigError("name --treatment and --outcome together, or neither")
    if use_prior and not (treatments and (prior is not None or ask_llm)):
        raise ConfigError(
            "--use-prior lets what to adjust for believe suggested edges; it needs --treatment and "
            "--outcome, and --prior or --ask-llm, or leave it out"
        )
    target = place_drawing(out, layout)
    frame = read_source(path, config)
    if not columns and not tiers:
        columns = [name for name in frame.columns if name != cluster]
    names = assign_tiers(columns, tiers, cluster=cluster).columns
    if outcome is not None:
        for treatment in treatments:
            check_asked(names, treatment, outcome)
    priors = [] if prior is None else [load_prior(prior, columns, tiers, cluster)]
    if ask_llm:
        priors.append(ask_model(columns, tiers, cluster, config))
    graph = discover_graph(
        frame, columns=columns, tiers=tiers, method=method, alpha=alpha,
        bootstraps=bootstraps, min_stability=min_stability, cluster=cluster, priors=priors,
        max_rows=max_rows, rng=np.random.default_rng(seed),
    )  # fmt: skip
    adjustments = [
        find_adjustment(graph, treatment, outcome, use_priors=use_prior)
        for treatment in treatments
        if outcome is not None
    ]
    if target is not None:
        drawing = draw_answer(graph, adjustments, layout=layout, source=Path(path).name)
        write_output(target, lambda draft: draft.write_text(str(drawing), encoding="utf-8"))
    return {
        **graph.to_dict(),
        "adjustments": [adjustment.to_dict() for adjustment in adjustments],
        "out": out,
    }


def place_drawing(out: str | None, layout: str) -> Path | None:
    """Where to draw to; raises ConfigError before the search is paid for."""
    if layout not in ("wide", "narrow"):
        raise ConfigError(f"--layout {layout!r}: allowed are wide and narrow")
    if out is None and layout != "wide":
        raise ConfigError(f"--layout {layout} is of a drawing; add --out, or leave it out")
    return None if out is None else check_output(out, endings=(".svg",))


def load_prior(
    path: str, columns: Sequence[str], tiers: Sequence[Sequence[str]], cluster: str | None
) -> EdgePrior:
    """Suggested edges from a JSON file, checked against the columns and tiers."""
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no file {file}; check the path of --prior")
    if file.stat().st_size > MAX_PRIOR_BYTES:
        raise InputError(f"{file} has more than {MAX_PRIOR_BYTES:,} bytes; suggest fewer edges")
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{file} could not be read as JSON ({str(error)[:150]})") from error
    return read_prior(document, assign_tiers(columns, tiers, cluster=cluster))


def ask_model(
    columns: Sequence[str], tiers: Sequence[Sequence[str]], cluster: str | None, config: str | None
) -> EdgePrior:
    """Edges that the language model of the settings suggests, from the names of the columns alone.

    Raises ConfigError for too many pairs or a model that is not there.
    """
    settings = load_settings(config)
    kept = resolve_site(settings).lake.root / MODELS
    reader = open_llm(settings.extract.llm, kept)
    roles = assign_tiers(columns, tiers, cluster=cluster)
    name = Path(settings.extract.llm.model).name
    return score_prior(reader.score_continuations, roles, suggested_by=name)
