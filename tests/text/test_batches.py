"""Batches keep the budget; what is padded is as little as the budget allows."""

import numpy as np
import pytest

from tasks.text.batches import plan_batches, plan_packed


def test_batches_keep_the_token_budget_and_take_the_longest_first() -> None:
    rng = np.random.default_rng(3)
    lengths = rng.integers(2, 257, size=500)
    batches = plan_batches(lengths.tolist(), 2048)
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    padded = [-(-lengths[rows].max() // 16) * 16 for rows in batches]
    assert all(width * len(rows) <= 2048 for width, rows in zip(padded, batches, strict=True))
    assert padded == sorted(padded, reverse=True)


@pytest.mark.parametrize("least_tokens", [0, 512, 2048])
def test_a_batch_with_enough_tokens_ends_where_shorter_texts_begin(least_tokens: int) -> None:
    lengths = np.array([64] * 9 + [32] * 18 + [16] * 40)
    batches = plan_batches(lengths.tolist(), 2048, least_tokens=least_tokens)
    assert np.concatenate(batches).tolist() == list(range(len(lengths)))
    if least_tokens == 0:
        assert [set(lengths[rows]) for rows in batches] == [{64}, {32}, {16}]
    else:
        assert all(len(rows) * lengths[rows].max() >= least_tokens for rows in batches[:-1])


def test_packed_batches_are_full_of_tokens_of_texts() -> None:
    rng = np.random.default_rng(3)
    lengths = rng.integers(2, 257, size=500)
    batches = plan_packed(lengths.tolist(), 2048)
    assert np.concatenate(batches).tolist() == np.argsort(-lengths, kind="stable").tolist()
    sizes = np.array([lengths[rows].sum() for rows in batches])
    more = np.array([lengths[rows[0]] for rows in batches[1:]])
    places = np.array([(len(rows) + 1) * -(-lengths[rows[0]] // 16) * 16 for rows in batches])
    assert sizes.max() <= 2048
    assert ((sizes[:-1] + more > 2048) | (places[:-1] > 3072)).all()


def test_packed_batches_of_texts_of_very_different_lengths_are_not_mostly_padding() -> None:
    lengths = np.array([256] + [3] * 500)
    batches = plan_packed(lengths.tolist(), 1024)
    assert np.concatenate(batches).tolist() == list(range(501))
    widths = [-(-lengths[rows].max() // 16) * 16 for rows in batches]
    assert all(width * len(rows) <= 1536 for width, rows in zip(widths, batches, strict=True))
    assert [len(rows) for rows in plan_packed([700, 600, 2], 512)] == [1, 1, 1]
    assert plan_packed([], 512) == []
