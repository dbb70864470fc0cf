"""Token states are the network's own, whatever travelled beside a text."""

from pathlib import Path

import numpy as np

from tasks.text.encoder import Encoder
from tasks.text.token_states import read_states

TEXTS = ["the food is great", "slow service and bad food but very good sound", "", "good"]


def test_token_states_pooled_and_normalised_are_the_encoders_vectors(tiny_model: Path) -> None:
    encoder = Encoder(str(tiny_model), device="cpu", max_tokens=32)
    states = read_states(encoder, TEXTS)
    assert np.diff(states.starts).tolist() == encoder.count_tokens(TEXTS).tolist()
    parts = np.split(states.values.astype(np.float32), states.starts[1:-1])
    pooled = np.array([part.mean(axis=0) for part in parts])
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    assert np.abs(pooled - encoder.encode(TEXTS)).max() < 2e-3  # float16


def test_token_states_do_not_depend_on_the_batch(tiny_model: Path) -> None:
    together = read_states(Encoder(str(tiny_model), device="cpu", max_tokens=32), TEXTS)
    small = Encoder(str(tiny_model), device="cpu", max_tokens=32, batch_tokens=1)
    assert np.abs(read_states(small, TEXTS).values - together.values).max() < 4e-3


def test_no_texts_have_no_states(tiny_model: Path) -> None:
    assert read_states(Encoder(str(tiny_model), device="cpu"), []).starts.tolist() == [0]
