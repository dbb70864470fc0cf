"""Which words of a sentence moved an encoder's vector in a direction: integrated gradients.

Sundararajan, Taly and Yan 2017 (https://arxiv.org/abs/1703.01365), over the encoder's input
embeddings, from a baseline in which every word is the padding token. The integral is taken by
Gauss-Legendre quadrature, with more points until the words add up to the difference that they
explain (completeness).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tasks.platform.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

MAX_GAP: Final = 0.05
"""Share of the difference that the words may miss."""
_POINTS: Final = (16, 48, 128)
_LEAST: Final = 1e-4
"""Differences below this are nothing to explain: the share that is missed is taken of this."""


@dataclass(frozen=True)
class Word:
    """Characters [`start`, `end`) of a text, and what they add to the output."""

    start: int
    end: int
    share: float


@dataclass(frozen=True)
class Attribution:
    """What each word of a text adds to an output; `output` and `baseline` are with and without words.

    `gap` is the share of output less baseline that the words do not add up to.
    """

    words: tuple[Word, ...]
    output: float
    baseline: float
    gap: float


@dataclass(frozen=True)
class Gradients:
    """An encoder that can be differentiated: fp32 on the CPU, whatever embeds the corpus."""

    network: "torch.nn.Module"
    tokenizer: "Tokenizer"
    is_first_pooled: bool
    pad_id: int


@cache
def open_gradients(folder: Path, *, max_tokens: int = 256) -> Gradients:
    """Load the encoder in `folder`; raises ConfigError when it cannot be read."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ConfigError(f"{folder} has no tokenizer.json; words of it cannot be explained")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    try:
        network = AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True,
            dtype=torch.float32,
        )  # fmt: skip
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ConfigError(f"cannot load the model in {folder}: {error}") from error
    frozen = network.eval().requires_grad_(False)
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    is_first = bool(pooling.get("pooling_mode_cls_token")) or pooling.get("pooling_mode") == "cls"
    pad = _read_json(folder / "config.json").get("pad_token_id")
    return Gradients(frozen, tokenizer, is_first, pad if isinstance(pad, int) else 0)


def attribute_words(
    text: str, direction: npt.NDArray[np.float64], gradients: Gradients
) -> Attribution:
    """What each word of `text` adds to its vector's product with `direction`, shape (dim,).

    A text without words has none. Words add up to output less baseline, but for `gap`.
    """
    import torch

    encoding = gradients.tokenizer.encode(text.encode("utf-8", "replace").decode())
    aim = torch.from_numpy(direction.astype(np.float32))
    table = gradients.network.get_input_embeddings()  # type: ignore[operator]
    ids = torch.tensor(encoding.ids)
    is_word = torch.tensor([not flag for flag in encoding.special_tokens_mask])
    here = table(ids)
    empty = torch.where(is_word[:, None], table(torch.tensor(gradients.pad_id)), here)
    with torch.inference_mode():
        ends = _measure(torch.stack([empty, here]), aim, gradients).tolist()
    shares, gap = torch.zeros(len(ids)), 0.0
    for points in _POINTS:
        shares = _integrate(empty, here, aim, gradients, points)
        gap = abs(float(shares.sum()) - (ends[1] - ends[0])) / max(abs(ends[1] - ends[0]), _LEAST)
        if gap <= MAX_GAP / 5:
            break
    return Attribution(_join_pieces(encoding, shares.tolist()), ends[1], ends[0], gap)


def _integrate(
    empty: "torch.Tensor",
    here: "torch.Tensor",
    aim: "torch.Tensor",
    gradients: Gradients,
    points: int,
) -> "torch.Tensor":
    """Share of each token, shape (tokens,): gradient along the path times the way gone."""
    import torch

    places, weights = np.polynomial.legendre.leggauss(points)
    alphas = torch.from_numpy((places + 1) / 2).float()[:, None, None]
    path = (empty + alphas * (here - empty)).detach().requires_grad_(True)
    (slopes,) = torch.autograd.grad(_measure(path, aim, gradients).sum(), path)
    scaled = slopes * torch.from_numpy(weights / 2).float()[:, None, None]
    shares: torch.Tensor = ((here - empty) * scaled.sum(dim=0)).sum(dim=1).detach()
    return shares


def _measure(inputs: "torch.Tensor", aim: "torch.Tensor", gradients: Gradients) -> "torch.Tensor":
    """Product of the unit vectors of inputs (n, tokens, dim) with `aim`, shape (n,)."""
    import torch

    mask = torch.ones(inputs.shape[:2], dtype=torch.long)
    hidden = gradients.network(inputs_embeds=inputs, attention_mask=mask).last_hidden_state
    pooled = hidden[:, 0] if gradients.is_first_pooled else hidden.mean(dim=1)
    product: torch.Tensor = torch.nn.functional.normalize(pooled, dim=1) @ aim
    return product


def _join_pieces(encoding: Any, shares: Sequence[float]) -> tuple[Word, ...]:
    """Pieces of a word added up; special tokens are left out."""
    words: list[Word] = []
    last: int | None = None
    parts = zip(
        encoding.word_ids, encoding.offsets, encoding.special_tokens_mask, shares, strict=True
    )
    for number, (start, end), is_special, share in parts:
        if is_special:
            continue
        if words and number is not None and number == last:
            words[-1] = Word(words[-1].start, end, words[-1].share + share)
        else:
            words.append(Word(start, end, share))
        last = number
    return tuple(words)


def _read_json(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return value if isinstance(value, dict) else {}
