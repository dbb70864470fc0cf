"""What the model writes is always JSON with the attributes as keys and allowed labels as values."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.platform.errors import ConfigError
from tasks.text import llm_json
from tasks.text.llm_json import JsonWriter, build_automaton
from tasks.text.llm_model import CausalModel

LABELS = ("positive", "negative", "not mentioned")
PREFIX = tuple(range(40, 75))
QUESTION = (9, 10)
SAME = 1e-4
"""fp32: only the order of additions differs."""
NAMES = st.lists(
    st.text(min_size=1, max_size=12).filter(lambda t: t.isprintable()),
    min_size=1, max_size=5, unique=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tiny_llm: Path) -> CausalModel:
    return CausalModel(str(tiny_llm), device="cpu")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    names=NAMES,
    labels=st.sampled_from([LABELS, ("good", "bad"), ("not", "not mentioned", "no"), ("a", "ab")]),
    seed=st.integers(0, 1000),
)
def test_every_walk_through_the_automaton_is_an_allowed_document(
    model: CausalModel, names: list[str], labels: tuple[str, ...], seed: int
) -> None:
    automaton = build_automaton(names, labels, model.encode)
    rng = np.random.default_rng(seed)
    state, tokens = 0, []
    while automaton.edges[state]:
        ways = sorted(automaton.edges[state])
        tokens.append(ways[rng.integers(len(ways))])
        state = automaton.edges[state][tokens[-1]]
    document = json.loads(model.tokenizer.decode(tokens))
    assert list(document) == names
    assert set(document.values()) <= set(labels)


def _write_slowly(
    model: CausalModel, review: tuple[int, ...], names: list[str]
) -> tuple[list[int], float]:
    """The reference: every step from the first token on, one review at a time, no cache."""
    import torch

    automaton = build_automaton(names, LABELS, model.encode)
    state, tokens, total = 0, [], 0.0
    while automaton.edges[state]:
        ways = sorted(automaton.edges[state])
        ids = torch.tensor([[*PREFIX, *review, *QUESTION, *tokens]])
        with torch.inference_mode():
            logits = model.network(input_ids=ids).logits[0, -1, ways].log_softmax(-1)
        total += float(logits.max())
        tokens.append(ways[int(logits.argmax())])
        state = automaton.edges[state][tokens[-1]]
    return tokens, total


@pytest.mark.parametrize("batch_tokens", [1, 200, 100_000])
def test_batches_with_a_cache_write_what_one_review_alone_without_gets(
    model: CausalModel, batch_tokens: int
) -> None:
    rng = np.random.default_rng(5)
    reviews = [tuple(rng.integers(3, 250, n).tolist()) for n in (0, 1, 4, 9, 17, 30, 8)]
    names = ["food", "battery life", "noise"]
    automaton = build_automaton(names, LABELS, model.encode)
    writer = JsonWriter(model.network, PREFIX, batch_tokens=batch_tokens)
    labels = [model.encode(label) for label in LABELS]
    written = writer.write(reviews, QUESTION, automaton, labels)
    assert written.labels.shape == (7, 3)
    for row, review in enumerate(reviews):
        tokens, log_prob = _write_slowly(model, review, names)
        assert written.tokens[row] == tuple(tokens)
        assert written.log_probs[row].sum() == pytest.approx(log_prob, abs=SAME)
        document = json.loads(model.tokenizer.decode(tokens))
        assert [LABELS[n] for n in written.labels[row]] == list(document.values())
    assert len(set(map(tuple, written.labels.tolist()))) > 1


def test_a_batch_that_does_not_fit_is_halved(
    model: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = [(20,) * n for n in range(1, 8)]
    automaton = build_automaton(["food"], LABELS, model.encode)
    labels = [model.encode(label) for label in LABELS]
    expected = JsonWriter(model.network, PREFIX).write(reviews, QUESTION, automaton, labels)
    whole = JsonWriter._write_rows

    def refuse_large(self: JsonWriter, heads: list, *rest: object) -> object:
        if len(heads) > 2:
            raise MemoryError
        return whole(self, heads, *rest)

    monkeypatch.setattr(JsonWriter, "_write_rows", refuse_large)
    found = JsonWriter(model.network, PREFIX).write(reviews, QUESTION, automaton, labels)
    assert found.tokens == expected.tokens


def test_labels_that_cannot_be_told_apart_are_refused() -> None:
    ids = {'{"a": "': (1,), '"}': (2,), "x": (3,), "xy": (3, 2)}
    with pytest.raises(ConfigError, match="labels that differ more"):
        build_automaton(["a"], ["x", "xy"], ids.__getitem__)


def test_models_without_a_cache_are_told_to_use_likelihoods(
    model: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("unexpected keyword argument 'past_key_values'")

    monkeypatch.setattr(llm_json, "compute_cache", fail)
    with pytest.raises(ConfigError, match="mode = 'likelihood'"):
        JsonWriter(model.network, PREFIX)
