"""A packed network gives the vectors of the padded one; one that would not is not packed."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from tasks.text.backends import choose
from tasks.text.backends.base import Pooling
from tasks.text.backends.packed import pack_batch, pack_network
from tasks.text.backends.torch_backend import pool_network
from tasks.text.encoder import Encoder

SIZE = {"vocab_size": 90, "max_position_embeddings": 80}
WIDE = {
    **SIZE,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def make(kind: str, **options: object) -> "transformers.PreTrainedModel":
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **options)
    return transformers.AutoModel.from_config(config).eval()


PACKED = {
    "bert": lambda: make("bert", **WIDE),
    "roberta": lambda: make("roberta", **WIDE),
    "xlm-roberta": lambda: make("xlm-roberta", **WIDE),
    "bert, padding beyond its places": lambda: make(
        "bert", **{**WIDE, "pad_token_id": 89, "max_position_embeddings": 70}
    ),
    "distilbert": lambda: make("distilbert", **SIZE, dim=16, n_layers=2, n_heads=2, hidden_dim=32),
}
PADDED = {
    "mpnet": lambda: make("mpnet", **WIDE),  # attends by distance
    "gpt2": lambda: make("gpt2", vocab_size=90, n_positions=80, n_embd=16, n_layer=2, n_head=2),
    "decoding bert": lambda: make("bert", **WIDE, is_decoder=True),
}


def make_batch(*lengths: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(1).integers(5, 90, (len(lengths), max(lengths)))
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    return np.where(mask > 0, ids, 1), mask


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_network_gives_the_vectors_of_the_padded_one(kind: str, pooling: Pooling) -> None:
    ids, mask = make_batch(7, 60, 1, 16)
    plain = pool_network(PACKED[kind](), pooling)
    packed = pack_network(PACKED[kind](), pooling)
    assert packed is not None
    with torch.inference_mode():
        wanted = plain(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        found = packed(*(torch.from_numpy(field) for field in pack_batch(ids, mask))).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("kind", PADDED)
def test_a_network_that_cannot_be_packed_is_left_as_it_was(kind: str) -> None:
    ids, mask = make_batch(7, 60, 1, 16)
    network = PADDED[kind]()
    assert pack_network(network, "mean") is None
    tensors = torch.from_numpy(ids), torch.from_numpy(mask)
    with torch.inference_mode():
        found, wanted = (pool_network(n, "mean")(*tensors) for n in (network, PADDED[kind]()))
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=1e-5)


def test_texts_lie_in_a_row_and_find_back() -> None:
    ids, mask = make_batch(2, 3, 1)
    packed = pack_batch(ids, mask)
    assert packed.ids.tolist() == [[*ids[0, :2], *ids[1], ids[2, 0]]]
    assert packed.positions.tolist() == [[0, 1, 0, 1, 2, 0]]
    side_by_side = packed.ids[0][packed.spread]
    np.testing.assert_array_equal(side_by_side[mask > 0], ids[mask > 0])
    np.testing.assert_array_equal(side_by_side.ravel()[packed.places], packed.ids[0])


@pytest.mark.parametrize("kind", PACKED)
def test_tokens_that_fill_a_row_change_no_vector(kind: str) -> None:
    ids, mask = make_batch(7, 60, 1, 16)
    packed = pack_network(PACKED[kind](), "mean")
    assert packed is not None
    filled = pack_batch(ids, mask, step=64)
    assert filled.ids.shape == filled.positions.shape == (1, 128)
    assert filled.places.shape == (128,)
    with torch.inference_mode():
        found, wanted = (
            packed(*(torch.from_numpy(field) for field in fields)).numpy()
            for fields in (filled, pack_batch(ids, mask))
        )
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_an_encoder_that_cannot_be_packed_is_converted_padded(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not choose.is_installed("openvino"):
        pytest.skip("openvino is not installed")
    monkeypatch.setattr(
        "tasks.text.backends.openvino_backend.pack_network", lambda network, pooling: None
    )
    texts = ["good food", "bad", "the service was not very good but fast"]
    own = Encoder(str(tiny_model), device="cpu", backend="openvino", cache=tmp_path)
    assert str(own.choice.tier) == "openvino fp32"
    wanted = Encoder(str(tiny_model), device="cpu").encode(texts)
    np.testing.assert_allclose(own.encode(texts), wanted, atol=1e-5)
