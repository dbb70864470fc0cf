"""Labels scored over a shared prefix get the scores of every sequence read from its first token."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.platform.errors import ConfigError, OutOfMemoryError
from tasks.text import llm_score
from tasks.text.llm_json import JsonWriter
from tasks.text.llm_model import CausalModel
from tasks.text.llm_score import Branch, LabelScorer, plan_batches, score_plainly
from tests.text.conftest import build_tiny_llm

SAME = 1e-4
"""fp32: only the order of additions differs; the bar."""
PREFIX = tuple(range(40, 75))
TOKENS = st.lists(st.integers(3, 250), min_size=1, max_size=6).map(tuple)
BRANCHES = st.lists(
    st.builds(Branch, TOKENS, st.lists(TOKENS, min_size=1, max_size=4).map(tuple)),
    min_size=1,
    max_size=4,
)
REVIEWS = st.lists(st.lists(st.integers(3, 250), max_size=30).map(tuple), min_size=1, max_size=7)


@pytest.fixture(scope="module")
def model(tiny_llm: Path) -> CausalModel:
    return CausalModel(str(tiny_llm), device="cpu")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(reviews=REVIEWS, branches=BRANCHES, batch_tokens=st.sampled_from([1, 150, 100_000]))
def test_reuse_changes_no_score(
    model: CausalModel,
    reviews: list[tuple[int, ...]],
    branches: list[Branch],
    batch_tokens: int,
) -> None:
    scorer = LabelScorer(model.network, PREFIX, batch_tokens=batch_tokens)
    assert scorer.is_reusing
    ours = scorer.score(reviews, branches)
    plain = score_plainly(model.network, PREFIX, reviews, branches)
    np.testing.assert_allclose(ours, plain, atol=SAME)
    assert ours.shape == (len(reviews), len(branches), max(len(b.labels) for b in branches))
    for number, branch in enumerate(branches):
        assert np.isfinite(ours[:, number, : len(branch.labels)]).all()
        assert np.isnan(ours[:, number, len(branch.labels) :]).all()


def test_plain_scores_are_those_of_one_sequence_in_one_pass(model: CausalModel) -> None:
    import torch

    review, question, label = (80, 81, 82), (9, 10), (11, 12, 13)
    ids = [*PREFIX, *review, *question, *label]
    with torch.inference_mode():
        logits = model.network(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = sum(float(logits[len(ids) - 4 + n, token]) for n, token in enumerate(label))
    found = score_plainly(model.network, PREFIX, [(5,), review], [Branch(question, (label,))])
    assert found[1, 0, 0] == pytest.approx(expected, abs=SAME)


@pytest.mark.parametrize("is_chat", [True, False])
def test_models_with_learned_positions_score_the_same(tmp_path: Path, is_chat: bool) -> None:
    folder = build_tiny_llm(tmp_path / "gpt2", kind="gpt2", is_chat=is_chat)
    network = CausalModel(str(folder), device="cpu").network
    branches = [Branch((7, 8), ((9,), (10, 11))), Branch((7, 12), ((13, 14, 15),))]
    reviews = [(), (20,), tuple(range(20, 60))]
    scorer = LabelScorer(network, PREFIX)
    assert scorer.is_reusing
    np.testing.assert_allclose(
        scorer.score(reviews, branches), scorer.score_plainly(reviews, branches), atol=SAME
    )


def test_a_model_that_ignores_the_mask_is_found_out_and_scored_from_scratch(
    model: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    branches = [Branch((7,), ((9,), (10, 11)))]
    expected = score_plainly(model.network, PREFIX, [(20, 21)], branches)
    whole = llm_score.to_additive
    monkeypatch.setattr(llm_score, "to_additive", lambda mask, *rest: 0 * whole(mask, *rest))
    scorer = LabelScorer(model.network, PREFIX)
    assert not scorer.is_reusing
    np.testing.assert_allclose(scorer.score([(20, 21)], branches), expected, atol=SAME)
    assert scorer.count_tokens((20, 21), branches) == 2 * (35 + 2 + 1) + 3


def test_a_model_that_looks_back_over_a_window_is_scored_from_scratch(model: CausalModel) -> None:
    """A tree's mask would let its layers see more than they ever learned to."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=400, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, sliding_window=40, initializer_range=0.3,
    )  # fmt: skip
    network = MistralForCausalLM(config).eval()
    branches = [Branch((7,), ((9,), (10, 11)))]
    scorer = LabelScorer(network, PREFIX, longest=20)
    assert not scorer.is_reusing
    review = tuple(range(20, 35))
    ids = torch.tensor([[*PREFIX, *review, 7]])
    with torch.inference_mode():
        expected = float(network(input_ids=ids).logits[0, -1].log_softmax(-1)[9])
    assert scorer.score([review], branches)[0, 0, 0] == pytest.approx(expected, abs=SAME)
    wide = LabelScorer(network, PREFIX[:5], longest=20)
    assert wide.is_reusing
    with pytest.raises(ConfigError, match="does not look back over a prompt of 35 tokens"):
        JsonWriter(network, PREFIX, longest=20)


def test_what_questions_begin_with_is_counted_once(model: CausalModel) -> None:
    scorer = LabelScorer(model.network, PREFIX)
    branches = [Branch((7, 8, 9), ((1,), (2, 3))), Branch((7, 8, 10), ((1,), (2, 3)))]
    assert scorer.count_tokens((20, 21, 22), branches) == 3 + 2 + 2 + 2


def test_no_reviews_give_no_scores(model: CausalModel) -> None:
    scorer = LabelScorer(model.network, PREFIX)
    assert scorer.score([], [Branch((7,), ((9,),))]).shape == (0, 1, 1)


def test_batches_keep_the_token_budget() -> None:
    lengths = np.random.default_rng(3).integers(1, 300, size=200).tolist()
    batches = plan_batches(lengths, 1000)
    assert sorted(row for rows in batches for row in rows) == list(range(200))
    assert all(max(lengths[r] for r in rows) * len(rows) <= 1000 for rows in batches)


def test_a_batch_that_does_not_fit_is_halved(
    model: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = [tuple(range(20, 20 + n)) for n in range(11)]
    branches = [Branch((7,), ((9,), (10, 11)))]
    expected = LabelScorer(model.network, PREFIX).score(reviews, branches)
    whole, sizes = llm_score._score_rows, []

    def refuse_large(
        network: object, cache: object, n: int, rows: list, *rest: object, **named: object
    ):
        sizes.append(len(rows))
        if len(rows) > 3:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return whole(network, cache, n, rows, *rest, **named)

    monkeypatch.setattr(llm_score, "_score_rows", refuse_large)
    found = LabelScorer(model.network, PREFIX).score(reviews, branches)
    np.testing.assert_allclose(found, expected, atol=SAME)
    assert max(sizes) == 11


def test_one_review_that_does_not_fit_says_what_to_do(
    model: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = LabelScorer(model.network, PREFIX)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(llm_score, "_score_rows", refuse)
    with pytest.raises(OutOfMemoryError, match=r"one review of 2 tokens .* lower extract.llm"):
        scorer.score([(20, 21)], [Branch((7,), ((9,),))])


def test_other_errors_are_not_taken_for_lack_of_memory(
    model: CausalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = LabelScorer(model.network, PREFIX)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(llm_score, "_score_rows", fail)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        scorer.score([(20, 21), (22,)], [Branch((7,), ((9,),))])
