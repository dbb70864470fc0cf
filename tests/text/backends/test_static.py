"""Token tables: deterministic, blind to order, and near to what the encoder finds near."""

from pathlib import Path

import numpy as np
import pytest

from tasks.text.backends.static import TokenTable, make_table, rank_tokens
from tasks.text.encoder import Encoder


@pytest.fixture
def encoder(tiny_model: Path, tmp_path: Path) -> Encoder:
    return Encoder(
        str(tiny_model), device="cpu", backend="torch", precision="static", cache=tmp_path
    )


def test_vectors_are_unit_and_as_long_as_said(encoder: Encoder) -> None:
    vectors = encoder.encode(["good food", "", "slow"])
    assert encoder.dim == vectors.shape[1] == 16
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_order_does_not_count_but_words_do(encoder: Encoder) -> None:
    same, turned, other = encoder.encode(["good food bad", "bad food good", "slow service"])
    np.testing.assert_allclose(same, turned, atol=1e-6)
    assert same @ other < 0.99


def test_a_table_is_kept_and_gives_the_same_again(
    encoder: Encoder, tiny_model: Path, tmp_path: Path
) -> None:
    first = encoder.encode(["good food"])
    again = Encoder(
        str(tiny_model), device="cpu", backend="torch", precision="static", cache=tmp_path
    )
    np.testing.assert_array_equal(again.encode(["good food"]), first)
    assert again.revision == encoder.revision != Encoder(str(tiny_model), device="cpu").revision


def test_common_tokens_count_less_than_rare_ones() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(2000, 8)).astype(np.float32)
    lengths = np.linalg.norm(make_table(vectors, np.arange(1, 2001)), axis=1)
    centred = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)
    share = lengths / centred
    assert share[0] < 0.01 < share[-1]
    assert (np.diff(share) > 0).all()


def test_words_are_ranked_by_their_place_and_characters_count_as_common(encoder: Encoder) -> None:
    tokenizer = encoder._tokenizer
    rank = rank_tokens(tokenizer)
    place = {word: rank[tokenizer.token_to_id(word)] for word in ("x", "##x", "it", "is", "sound")}
    assert place["x"] == place["##x"] == 1
    assert place["it"] < place["is"] < place["sound"] <= len(rank)


def test_components_come_in_order_of_their_variance() -> None:
    rng = np.random.default_rng(2)
    vectors = (rng.normal(size=(5000, 3)) * [1, 9, 4]).astype(np.float32)
    table = make_table(vectors, np.arange(1, 5001), max_dim=2)
    assert table.shape == (5000, 2)
    spread = table[2500:].std(axis=0)
    assert spread[0] > 1.5 * spread[1]


def test_tokens_that_frame_a_text_do_not_count() -> None:
    table = TokenTable(np.eye(3, dtype=np.float32), np.array([False, False, True]))
    framed, empty = table.embed([np.array([2, 1, 2]), np.array([2])])
    np.testing.assert_array_equal(framed, [0, 1, 0])
    np.testing.assert_array_equal(empty, [1, 0, 0])
