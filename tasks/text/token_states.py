"""What an encoder makes of every token: the last hidden states that pooling would average away."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.text.backends.torch_backend import load_network
from tasks.text.batches import pad_batch, plan_batches
from tasks.text.encoder import Encoder, Progress


@dataclass(frozen=True)
class TokenStates:
    """`values` (tokens, dim), float16; text n's are rows `starts[n]` to `starts[n + 1]`.

    A text costs 2 · dim bytes a token: 10,000 reviews of 110 tokens by MiniLM are 0.85 GB.
    """

    values: npt.NDArray[np.float16]
    starts: npt.NDArray[np.int64]


def read_states(
    encoder: Encoder, texts: Sequence[str], *, progress: Progress | None = None
) -> TokenStates:
    """Last hidden states of the tokens of `texts`, the frozen network in torch and float32.

    Texts are cut at the encoder's `max_tokens`. Raises ConfigError when the network cannot be loaded.
    """
    import torch

    tokens = encoder.tokenize(texts)
    lengths = np.array([len(ids) for ids in tokens], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    network: torch.nn.Module = load_network(encoder.folder, numbers="fp32")
    network.to(encoder.device)
    values: npt.NDArray[np.float16] | None = None
    n_done = 0
    for rows in plan_batches(lengths.tolist(), encoder.batch_tokens):
        # What pads is masked, so any id does.
        ids, mask = pad_batch([tokens[row] for row in rows], 0, most=encoder.allowed_tokens)
        with torch.inference_mode():
            found = network(
                input_ids=torch.from_numpy(ids).to(encoder.device),
                attention_mask=torch.from_numpy(mask).to(encoder.device),
            ).last_hidden_state
        states = found.half().cpu().numpy()
        if values is None:
            values = np.empty((int(starts[-1]), states.shape[2]), dtype=np.float16)
        for row, own in zip(rows, states, strict=True):
            values[starts[row] : starts[row + 1]] = own[: lengths[row]]
        n_done += len(rows)
        if progress is not None:
            progress(n_done, len(texts))
    empty = np.empty((0, encoder.dim), dtype=np.float16)
    return TokenStates(empty if values is None else values, starts)
