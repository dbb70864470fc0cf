"""What every backend is: padded token ids in, unit vectors out."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

BackendName = Literal["auto", "torch", "openvino"]
"""What may be asked for."""
Precision = Literal["exact", "fast", "fastest", "static"]
"""How far vectors may be from those of fp32 torch; see `choose.PROMISES` and `static`."""
Pooling = Literal["mean", "cls"]
Vectors = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tier:
    """One way to compute: a library, and the numbers it multiplies."""

    library: Literal["torch", "openvino"]
    numbers: Literal["fp32", "bf16", "int8"]

    def __str__(self) -> str:
        return f"{self.library} {self.numbers}"


REFERENCE = Tier("torch", "fp32")
"""What every other tier is measured against."""


class Backend(Protocol):
    """Computes the vectors of padded batches; safe to call from several threads."""

    least_tokens: int
    """Batches of fewer tokens, padding included, are filled up with empty rows, so that a text's
    vector depends as little as can be on what travels beside it; 0 where it never does."""
    is_packed: bool
    """Whether padding is computed in the attention alone."""
    streams: int
    """Batches that are best computed at once, each by a thread of the caller."""

    def embed(self, ids: Tokens, mask: Tokens) -> Vectors:
        """Unit vectors, shape (rows, dim), of token ids and their mask, both (rows, width)."""
        ...

    def release(self) -> None:
        """Give back memory that is only kept for speed."""
        ...
