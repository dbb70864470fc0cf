"""Answers about all attributes at once, written by the model as JSON that cannot be wrong in form.

A finite automaton over tokens holds exactly the allowed documents: the attributes as keys, in their
order, and one of the labels as each value (as in Willard and Louf 2023, https://arxiv.org/abs/2307.09702,
for a language that is finite). Where only one token may follow it is not asked for; where several
may, the likeliest of them is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import ConfigError
from tasks.text.llm_prompt import write_answers
from tasks.text.llm_score import (
    Cache,
    Ids,
    compute_cache,
    expand_cache,
    plan_batches,
    read_logits,
    run_or_halve,
    sees_all,
    to_additive,
)

_MARK = "@@LABEL@@"


@dataclass(frozen=True)
class Automaton:
    """States and what may be written in each; state 0 comes first.

    `edges[state]` maps each allowed token to the next state, empty when the document is finished;
    `attributes[state]` is the attribute whose value is being written there, -1 between values.
    """

    edges: tuple[dict[int, int], ...]
    attributes: tuple[int, ...]


@dataclass(frozen=True)
class Written:
    """What was written about n reviews.

    `labels` are label numbers and `log_probs` their log-probabilities among what was allowed, each
    of shape (n, attributes); `tokens` are those of each document.
    """

    labels: npt.NDArray[np.int64]
    log_probs: npt.NDArray[np.float64]
    tokens: tuple[Ids, ...]


@dataclass
class _Draft:
    """One document that is being written."""

    state: int
    tokens: list[int]
    choices: list[list[int]]
    log_probs: list[float]


def build_automaton(
    names: Sequence[str], labels: Sequence[str], encode: Callable[[str], Ids]
) -> Automaton:
    """All documents that answer `names` (distinct) with `labels`, as tokens of one tokenizer.

    Raises ConfigError when a tokenizer cannot tell the end of a label from its continuation.
    """
    mark = _MARK
    while any(mark in name for name in names):
        mark += mark
    parts = write_answers(dict.fromkeys(names, mark)).split(mark)
    edges: list[dict[int, int]] = [{}]
    attributes = [-1]

    def add(state: int, token: int, attribute: int) -> int:
        if token not in edges[state]:
            edges[state][token] = len(edges)
            edges.append({})
            attributes.append(attribute)
        return edges[state][token]

    state = 0
    for token in encode(parts[0]):
        state = add(state, token, -1)
    for attribute in range(len(names)):
        attributes[state] = attribute
        ends = []
        for label in labels:
            end = state
            for token in encode(label):
                end = add(end, token, attribute)
            ends.append(end)
        first, *rest = encode(parts[attribute + 1])
        if any(first in edges[end] for end in ends):
            raise ConfigError("one label goes on as another ends; use labels that differ more")
        state = add(ends[0], first, -1)
        for end in ends[1:]:
            edges[end][first] = state
        for token in rest:
            state = add(state, token, -1)
    return Automaton(tuple(edges), tuple(attributes))


class JsonWriter:
    """Writes documents about reviews under one prefix, which is read once."""

    def __init__(
        self,
        network: Any,
        prefix: Ids,
        *,
        device: Literal["cpu", "cuda"] = "cpu",
        batch_tokens: int = 16_384,
        longest: int = 1024,
    ) -> None:
        if not sees_all(network, len(prefix) + longest):
            raise ConfigError(
                f"this model does not look back over a prompt of {len(prefix)} tokens and {longest} "
                "behind it, which writing JSON needs; set extract.llm.mode = 'likelihood'"
            )
        self._network = network
        self.prefix = prefix
        self._device: Literal["cpu", "cuda"] = device
        self._batch_tokens = batch_tokens
        try:
            self._cache: Cache = compute_cache(network, prefix, device)
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                "this model keeps no keys and values, which writing JSON needs; "
                "set extract.llm.mode = 'likelihood'"
            ) from error

    def write(
        self, reviews: Sequence[Ids], question: Ids, automaton: Automaton, labels: Sequence[Ids]
    ) -> Written:
        """The likeliest allowed document about each review, token by token.

        Raises OutOfMemoryError when a single review does not fit.
        """
        behind = len(self.prefix) + len(question) + len(automaton.edges)
        drafts: list[_Draft | None] = [None] * len(reviews)
        for rows in plan_batches([len(r) + behind for r in reviews], self._batch_tokens):
            batch = [(*reviews[row], *question) for row in rows]
            done = run_or_halve(lambda part: self._write_rows(part, automaton), batch, self._device)
            for row, draft in zip(rows, done, strict=True):
                drafts[row] = draft
        whole = [draft for draft in drafts if draft is not None]
        numbers = {ids: number for number, ids in enumerate(labels)}
        return Written(
            labels=np.array(
                [[numbers[tuple(c)] for c in d.choices] for d in whole], dtype=np.int64
            ),
            log_probs=np.array([draft.log_probs for draft in whole], dtype=np.float64),
            tokens=tuple(tuple(draft.tokens) for draft in whole),
        )

    def _write_rows(self, heads: Sequence[Ids], automaton: Automaton) -> list[_Draft]:
        n_values = max(automaton.attributes) + 1
        drafts = [_Draft(0, [], [[] for _ in range(n_values)], [0.0] * n_values) for _ in heads]
        reader = _Reader(self._network, self._cache, len(self.prefix), len(heads), self._device)
        waiting = [[*head] for head in heads]
        while True:
            for draft, tokens in zip(drafts, waiting, strict=True):
                tokens.extend(_go_on(draft, automaton))
            is_open = [bool(automaton.edges[draft.state]) for draft in drafts]
            if not any(is_open):
                return drafts
            logits = reader.read(waiting)
            waiting = [[] for _ in drafts]
            for row, draft in enumerate(drafts):
                if is_open[row]:
                    _choose(draft, automaton, logits[row])
                    waiting[row] = [draft.tokens[-1]]


def _go_on(draft: _Draft, automaton: Automaton) -> list[int]:
    """Follow the automaton while there is only one way; returns the tokens of that way."""
    forced = []
    while len(automaton.edges[draft.state]) == 1:
        token, after = next(iter(automaton.edges[draft.state].items()))
        _step(draft, automaton, token, after)
        forced.append(token)
    return forced


def _choose(draft: _Draft, automaton: Automaton, logits: npt.NDArray[np.float64]) -> None:
    """Take the likeliest allowed token; the smallest of equals."""
    allowed = sorted(automaton.edges[draft.state])
    kept = logits[allowed] - np.logaddexp.reduce(logits[allowed])
    best = int(kept.argmax())
    draft.log_probs[automaton.attributes[draft.state]] += float(kept[best])
    _step(draft, automaton, allowed[best], automaton.edges[draft.state][allowed[best]])


def _step(draft: _Draft, automaton: Automaton, token: int, after: int) -> None:
    draft.tokens.append(token)
    attribute = automaton.attributes[draft.state]
    if attribute >= 0 and automaton.attributes[after] == attribute:
        draft.choices[attribute].append(token)
    draft.state = after


class _Reader:
    """Rows of different lengths read on, chunk by chunk, over a cache that grows."""

    def __init__(self, network: Any, cache: Cache, n_prefix: int, n_rows: int, device: str) -> None:
        self._network = network
        self._device = device
        self._cache = expand_cache(cache, n_rows)
        self._seen = np.ones((n_rows, n_prefix), dtype=np.bool_)
        self._lengths = np.full(n_rows, n_prefix)

    def read(self, chunks: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        """Logits behind the last token of each chunk, shape (rows, vocabulary).

        What stands in a row without a chunk is of no use.
        """
        import torch

        sizes = np.array([len(chunk) for chunk in chunks])
        width = int(sizes.max())
        ids = np.zeros((len(chunks), width), dtype=np.int64)
        for row, chunk in enumerate(chunks):
            ids[row, : len(chunk)] = chunk
        is_word = np.arange(width) < sizes[:, None]
        before = np.repeat(self._seen[:, None, :], width, axis=1)
        # A padded token may look at itself: a row that sees nothing would be no number.
        inside = np.tri(width, dtype=np.bool_) & (
            is_word[:, None, :] | np.eye(width, dtype=np.bool_)
        )
        positions = self._lengths[:, None] + np.minimum(
            np.arange(width), np.maximum(sizes - 1, 0)[:, None]
        )
        columns = sorted({max(int(size) - 1, 0) for size in sizes})
        with torch.inference_mode():
            logits = read_logits(
                self._network,
                columns,
                input_ids=torch.from_numpy(ids).to(self._device),
                position_ids=torch.from_numpy(positions).to(self._device),
                attention_mask=to_additive(
                    np.concatenate([before, inside], axis=2), self._network.dtype, self._device
                ),
                past_key_values=self._cache,
                use_cache=True,
            )
        self._seen = np.concatenate([self._seen, is_word], axis=1)
        self._lengths = self._lengths + sizes
        last = [columns.index(max(int(size) - 1, 0)) for size in sizes]
        found: npt.NDArray[np.float64] = logits[range(len(chunks)), last].double().cpu().numpy()
        return found
