"""Edges that somebody suggests, a language model for instance: checked, marked, kept apart.

A suggestion never changes an edge that the data show. Where the data show none it is added with
origin "prior", is drawn dashed, and no adjustment set uses it unless asked to. Its words come from
outside: they are cut, freed of control characters, and must be escaped where they are shown.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tasks.effects.graph.data import Roles
from tasks.effects.graph.model import Edge, Suggestion, clean_words
from tasks.platform.errors import ConfigError, EstimationError

Score = Callable[[str, Sequence[str]], Sequence[float]]
"""`score(prompt, continuations)`: log-likelihood of each continuation after the prompt."""

MAX_PAIRS: Final = 600
MAX_REASON: Final = 300
MAX_NAME: Final = 80
ANSWERS: Final = (" yes", " no")
CONTENT_FREE: Final = "N/A"
_KEYS: Final = frozenset(("source", "target", "confidence", "reason"))
_PROMPT: Final = "Question: Does {a} directly cause {b}? Answer yes or no.\nAnswer:"


@dataclass(frozen=True)
class SuggestedEdge:
    """`source` is said to cause `target`; `confidence` in [0, 1]."""

    source: str
    target: str
    confidence: float
    reason: str = ""


@dataclass(frozen=True)
class EdgePrior:
    """Edges of one mind, and whose it is."""

    suggested_by: str
    edges: tuple[SuggestedEdge, ...]


def read_prior(document: object, roles: Roles) -> EdgePrior:
    """Check `{"suggested_by": ..., "edges": [{"source", "target", "confidence", "reason"}]}`.

    Raises ConfigError for anything else: other keys, unknown columns, an edge of a column to
    itself, against the tiers, or named twice.
    """
    if not isinstance(document, Mapping) or set(document) != {"suggested_by", "edges"}:
        raise ConfigError(
            "a prior must be an object with the keys suggested_by and edges, no other"
        )
    who, edges = document["suggested_by"], document["edges"]
    if not isinstance(who, str) or not who.strip():
        raise ConfigError("suggested_by of a prior must name who suggests its edges")
    if not isinstance(edges, Sequence) or isinstance(edges, str):
        raise ConfigError(f"edges of a prior must be a list, found {type(edges).__name__}")
    prior = EdgePrior(
        clean_words(who, MAX_NAME),
        tuple(_read_edge(edge, index) for index, edge in enumerate(edges, start=1)),
    )
    check_prior(prior, roles)
    return prior


def check_prior(prior: EdgePrior, roles: Roles) -> None:
    """Raise ConfigError for edges that cannot be, with the number of the first."""
    tiers = dict(zip(roles.columns, roles.tiers, strict=True))
    seen: set[frozenset[str]] = set()
    for index, edge in enumerate(prior.edges, start=1):
        where = f"edge {index} suggested by {prior.suggested_by}"
        for name in (edge.source, edge.target):
            if name not in tiers:
                raise ConfigError(
                    f"{where} names {clean_words(name, MAX_NAME)!r}, which is no column of the graph; "
                    f"it has {', '.join(roles.columns[:20])}"
                )
        if edge.source == edge.target:
            raise ConfigError(f"{where} points from {edge.source} to itself; remove it")
        if tiers[edge.source] > tiers[edge.target]:
            raise ConfigError(
                f"{where} points from {edge.source} (tier {tiers[edge.source] + 1}) back to "
                f"{edge.target} (tier {tiers[edge.target] + 1}); remove it or change the tiers"
            )
        if not 0 <= edge.confidence <= 1:
            raise ConfigError(f"{where}: confidence {edge.confidence} is not in [0, 1]")
        pair = frozenset((edge.source, edge.target))
        if pair in seen:
            raise ConfigError(f"{where} joins {edge.source} and {edge.target} a second time")
        seen.add(pair)


def merge_priors(
    edges: Sequence[Edge],
    priors: Sequence[EdgePrior],
    *,
    names: Sequence[str],
    find_stability: Callable[[str, str], float | None],
) -> tuple[tuple[Edge, ...], list[str]]:
    """The data's edges, marked where they agree with a suggestion, and suggested ones added.

    The more confident of two suggestions for a pair is kept. `find_stability` gives the share of
    bootstraps that join a pair. Suggestions for columns not in `names` were set aside with them.
    """
    known = {edge.pair: edge for edge in edges}
    notes = []
    for who, suggested in _rank(priors):
        pair = frozenset((suggested.source, suggested.target))
        suggestion = Suggestion(
            clean_words(who, MAX_NAME),
            suggested.confidence,
            clean_words(suggested.reason, MAX_REASON),
        )
        line = f"{suggestion.suggested_by} suggests {suggested.source} --> {suggested.target}"
        if not pair <= set(names):
            notes.append(f"{line}; left out, for one of them was set aside")
        elif pair not in known:
            stability = find_stability(suggested.source, suggested.target)
            known[pair] = Edge(
                suggested.source, suggested.target, "-->", stability=stability,
                origin="prior", suggestion=suggestion,
            )  # fmt: skip
        elif known[pair].suggestion is not None:
            notes.append(f"{line}; a more confident suggestion for the two was kept")
        elif _contradicts(known[pair], suggested):
            notes.append(f"{line}; the data show {known[pair].show()}, which was kept")
        else:
            known[pair] = replace(known[pair], origin="both", suggestion=suggestion)
    return tuple(known.values()), notes


def score_prior(
    score: Score,
    roles: Roles,
    *,
    suggested_by: str,
    descriptions: Mapping[str, str] | None = None,
    min_confidence: float = 0.5,
) -> EdgePrior:
    """Ask a language model for each pair that the tiers allow whether the first causes the second.

    `descriptions` are words for columns whose names say little. The log odds of " yes" to " no" are
    reduced by those of the same question about nothing, so that a model that likes to say yes is
    not believed for it (contextual calibration: Zhao et al., Calibrate Before Use, ICML 2021).
    Confidence is the logistic function of what is left; of the two directions of a pair the surer
    one is suggested, if above `min_confidence`.

    Raises ConfigError for too many pairs, EstimationError for scores that are no numbers.
    """
    pairs = _list_pairs(roles)
    if len(pairs) > MAX_PAIRS:
        raise ConfigError(f"{len(pairs):,} pairs to ask about; at most {MAX_PAIRS}. Add tiers")
    words = {name: (descriptions or {}).get(name, name) for name in roles.columns}
    base = _ask(score, CONTENT_FREE, CONTENT_FREE)
    surest: dict[frozenset[str], SuggestedEdge] = {}
    for a, b in pairs:
        confidence = 1 / (1 + math.exp(-max(min(_ask(score, words[a], words[b]) - base, 50), -50)))
        reason = "likelihood of yes against no, less that of a question about nothing"
        known = surest.get(frozenset((a, b)))
        if confidence > min_confidence and (known is None or known.confidence < confidence):
            surest[frozenset((a, b))] = SuggestedEdge(a, b, confidence, reason)
    return EdgePrior(clean_words(suggested_by, MAX_NAME), tuple(surest.values()))


def _list_pairs(roles: Roles) -> list[tuple[str, str]]:
    named = list(zip(roles.columns, roles.tiers, strict=True))
    return [(a, b) for a, first in named for b, second in named if a != b and first <= second]


def _ask(score: Score, a: str, b: str) -> float:
    prompt = _PROMPT.format(a=clean_words(a, MAX_NAME), b=clean_words(b, MAX_NAME))
    answers = [float(one) for one in score(prompt, ANSWERS)]
    if len(answers) != len(ANSWERS) or not all(map(math.isfinite, answers)):
        raise EstimationError(
            f"the scorer answered {answers} to {prompt!r}; {len(ANSWERS)} finite log-likelihoods "
            "are needed"
        )
    return answers[0] - answers[1]


def _read_edge(edge: object, index: int) -> SuggestedEdge:
    if not isinstance(edge, Mapping) or not {"source", "target"} <= set(edge) <= _KEYS:
        raise ConfigError(
            f"edge {index} of the prior must be an object with source and target, and may have "
            "confidence and reason; no other key"
        )
    confidence, reason = edge.get("confidence", 1.0), edge.get("reason", "")
    for name, value in (("source", edge["source"]), ("target", edge["target"]), ("reason", reason)):
        if not isinstance(value, str):
            raise ConfigError(f"{name} of edge {index} of the prior must be text")
    if not isinstance(confidence, (int, float)) or isinstance(confidence, bool):
        raise ConfigError(f"confidence of edge {index} of the prior must be a number in [0, 1]")
    return SuggestedEdge(
        edge["source"], edge["target"], float(confidence), clean_words(reason, MAX_REASON)
    )


def _rank(priors: Sequence[EdgePrior]) -> list[tuple[str, SuggestedEdge]]:
    named = [(prior.suggested_by, edge) for prior in priors for edge in prior.edges]
    return sorted(named, key=lambda one: -one[1].confidence)


def _contradicts(edge: Edge, suggested: SuggestedEdge) -> bool:
    if edge.kind == "bidirected":
        return True
    return edge.ends in ("-->", "o->") and edge.source != suggested.source
