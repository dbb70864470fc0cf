"""Batches without padding: what a network does to each token by itself, it does to real tokens alone.

All texts of a batch follow one another in one row. Only attention, which must not look from one text
into another, sees them side by side, padded; that is a small part of the work for texts as long as
reviews (Zhai et al. 2023, ByteTransformer, https://arxiv.org/abs/2210.03052).
"""

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tasks.text.backends.base import Pooling, Tokens
from tasks.text.backends.torch_backend import pool_hidden, pool_network

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_ATTENTION: Final = "whyrec_packed"
_LONGEST: Final = 256
"""Tokens of the longest text that a packed network is compared on with the padded one."""
_TOLERANCE: Final = 1e-5

log = logging.getLogger(__name__)


class PackedBatch(NamedTuple):
    """Texts of n tokens in all, as one row.

    `ids` and `positions` have shape (1, n), positions counted from 0 in each text. `spread`, shape
    (texts, width), says which of the n tokens stands at each place when texts lie side by side, and
    `mask`, of the same shape, is 0 where none does; `places`, shape (n,), is the way back. The last
    of the n may be tokens of no text, which only fill the row.
    """

    ids: Tokens
    positions: Tokens
    spread: Tokens
    places: Tokens
    mask: Tokens


class _Sides(NamedTuple):
    """How tokens in a row come to lie side by side and back; see `PackedBatch`."""

    spread: "torch.Tensor"
    places: "torch.Tensor"
    mask: "torch.Tensor"


_SIDES: ContextVar[_Sides] = ContextVar("sides")


def pack_batch(ids: Tokens, mask: Tokens, *, step: int = 1) -> PackedBatch:
    """What `pack_network` takes, from padded ids and their mask, (texts, width) both.

    Every text has a token, and its tokens stand at its beginning. The row is filled up to a multiple
    of `step` tokens by copies of the first.
    """
    kept = mask.ravel() > 0
    real = np.flatnonzero(kept)
    places = np.concatenate([real, np.zeros(-real.size % step, dtype=real.dtype)])
    spread = np.where(kept, np.cumsum(kept) - 1, 0).reshape(mask.shape)
    return PackedBatch(
        ids.ravel()[places][None], (places % mask.shape[1])[None], spread, places, mask
    )


def pack_network(network: "PreTrainedModel", pooling: Pooling) -> "torch.nn.Module | None":
    """`network` with its pooling, taking the fields of a `PackedBatch`; None where it cannot be had.

    It cannot for networks whose attention is not to be replaced or knows more than tokens and their
    positions; whether it can is tried: the vectors of made-up texts must be those of the padded one.
    `network` comes back changed, and only fit to be packed, where it can.
    """
    import torch

    before = network.config._attn_implementation
    ids, mask = _make_texts(network, pad=_find_pad(network))
    tensors = [torch.from_numpy(field) for field in pack_batch(ids, mask)]
    with torch.inference_mode():
        wanted = pool_network(network, pooling)(torch.from_numpy(ids), torch.from_numpy(mask))
        for first in (0, _find_pad(network) + 1):  # where RoBERTa begins to count
            try:
                _replace_attention(network)
                packed = _build_module(network, pooling, first=first)
                if torch.allclose(packed(*tensors), wanted, atol=_TOLERANCE):
                    return packed
                fault = "its vectors are others"
            except Exception as error:  # any architecture may fail in its own way
                fault = f"{type(error).__name__}: {error}".splitlines()[0]
            log.debug("the network cannot be packed, counting from %d: %s", first, fault)
    network.set_attn_implementation(before)
    return None


def _find_pad(network: "PreTrainedModel") -> int:
    return getattr(network.config, "pad_token_id", None) or 0


def _make_texts(network: "PreTrainedModel", *, pad: int) -> tuple[Tokens, Tokens]:
    """Ids and mask, (3, width) both, of a long text, a short one and a single token."""
    config = network.config
    places = getattr(config, "max_position_embeddings", None) or _LONGEST
    # Networks that count positions from the padding's id have so many places less.
    width = min(_LONGEST, places - pad - 1 if pad < places // 2 else places)
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (3, width))
    ids[ids == pad] = 0 if pad else 1
    mask = (np.arange(width) < np.array([[width], [5], [1]])).astype(np.int64)
    return np.where(mask > 0, ids, pad), mask


def _replace_attention(network: "PreTrainedModel") -> None:
    """Let `network` attend within texts alone."""
    from transformers import AttentionInterface

    AttentionInterface.register(_ATTENTION, _attend)
    network.set_attn_implementation(_ATTENTION)


def _build_module(network: "PreTrainedModel", pooling: Pooling, *, first: int) -> "torch.nn.Module":
    """`network` and its pooling as one module; `first` is the position of a text's first token."""
    import torch

    class Packed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(
            self,
            ids: torch.Tensor,
            positions: torch.Tensor,
            spread: torch.Tensor,
            places: torch.Tensor,
            mask: torch.Tensor,
        ) -> torch.Tensor:
            before = _SIDES.set(_Sides(spread, places, mask))
            try:
                row = self.network(input_ids=ids, position_ids=positions + first)
            finally:
                _SIDES.reset(before)
            hidden = row.last_hidden_state[0].float()
            return pool_hidden(_spread_tokens(hidden, spread), mask, pooling)

    return Packed().eval()


def _attend(
    module: "torch.nn.Module",
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    attention_mask: "torch.Tensor | None",
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_others: object,
) -> tuple["torch.Tensor", None]:
    """Attention of each text to itself; query, key and value have shape (1, heads, n, size)."""
    import torch

    if sliding_window:  # may be wider than the texts of the trial
        raise NotImplementedError("attention within a window")
    sides = _SIDES.get()
    _, heads, _, size = query.shape

    def split(tokens: torch.Tensor) -> torch.Tensor:
        flat = tokens.transpose(1, 2).reshape(-1, heads * size)
        rows = _spread_tokens(flat, sides.spread)
        return rows.reshape(*rows.shape[:2], heads, size).transpose(1, 2)

    nowhere = (1 - sides.mask.to(query.dtype))[:, None, None, :] * torch.finfo(query.dtype).min
    seen = torch.nn.functional.scaled_dot_product_attention(
        split(query), split(key), split(value), attn_mask=nowhere, scale=scaling
    )
    flat = seen.transpose(1, 2).reshape(-1, heads * size)
    return torch.index_select(flat, 0, sides.places).reshape(1, -1, heads, size), None


def _spread_tokens(tokens: "torch.Tensor", spread: "torch.Tensor") -> "torch.Tensor":
    """Rows of texts, (texts, width, d), from tokens in a row, (n, d)."""
    import torch

    flat = torch.index_select(tokens, 0, spread.reshape(-1))
    return flat.reshape(*spread.shape, tokens.shape[-1])
