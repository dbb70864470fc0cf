"""How texts of different lengths are put together for a network: which in a batch, and padded how."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from tasks.text.backends.base import Tokens

_LENGTH_STEP: Final = 16
"""Texts are padded to multiples of this many tokens: attention adds up in vectors of 16 floats, and
another multiple of 8 would change the last bit."""

Rows = npt.NDArray[np.intp]


def plan_batches(lengths: Sequence[int], batch_tokens: int, *, least_tokens: int = 0) -> list[Rows]:
    """Rows of each batch: longest first, at most `batch_tokens` tokens with padding, at least a row.

    A batch of `least_tokens` and a quarter full ends where shorter texts begin: they would be padded.
    """
    padded = _round_up(np.asarray(lengths, dtype=np.int64))
    order = np.argsort(-padded, kind="stable")
    widths = padded[order]
    batches: list[Rows] = []
    start = 0
    while start < len(order):
        width = max(int(widths[start]), 1)
        most = start + max(1, batch_tokens // width)
        enough = start + -(-max(least_tokens, batch_tokens // 4) // width)
        shorter = int(np.searchsorted(-widths, -widths[start], side="right"))
        stop = min(most, max(enough, shorter))
        batches.append(order[start:stop])
        start = stop
    return batches


def plan_packed(lengths: Sequence[int], batch_tokens: int) -> list[Rows]:
    """Rows of each batch for a network that computes padding in its attention alone.

    Longest first, at most `batch_tokens` tokens of texts and half as many again with padding, at
    least a row: nearly all batches are as full, and a number of tokens that a kernel was made for
    comes again.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    widths, order = _round_up(sizes), np.argsort(-sizes, kind="stable")
    before = np.concatenate([[0], np.cumsum(sizes[order])])
    batches: list[Rows] = []
    start = 0
    while start < len(order):
        width = max(int(widths[order[start]]), 1)
        full = int(np.searchsorted(before, before[start] + batch_tokens, side="right")) - 1
        wide = start + batch_tokens * 3 // 2 // width
        stop = max(min(full, wide), start + 1)
        batches.append(order[start:stop])
        start = stop
    return batches


def pad_batch(
    batch: Sequence[npt.NDArray[np.int32]], pad_id: int, *, most: int, least_tokens: int = 0
) -> tuple[Tokens, Tokens]:
    """Ids and mask of shape (rows, width); empty rows are added up to `least_tokens`.

    A network has places for `most` tokens of a text; no text has more.
    """
    width = min(int(_round_up(np.array([len(ids) for ids in batch])).max()), most)
    n_rows = max(len(batch), least_tokens // width)
    ids = np.full((n_rows, width), pad_id, dtype=np.int64)
    mask = np.zeros((n_rows, width), dtype=np.int64)
    mask[:, 0] = 1
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    return ids, mask


def _round_up(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The widths that texts of these lengths are padded to."""
    widths: npt.NDArray[np.int64] = -(-lengths // _LENGTH_STEP) * _LENGTH_STEP
    return widths
