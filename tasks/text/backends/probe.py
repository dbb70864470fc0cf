"""Built-in texts that show how far a backend's vectors are from those of fp32 torch."""

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tasks.text.backends.base import Vectors

_FILE: Final = Path(__file__).with_name("probe.toml")


@dataclass(frozen=True)
class Quality:
    """Smallest and mean cosine between a backend's vectors and the reference's, same texts."""

    min_cosine: float
    mean_cosine: float

    def __str__(self) -> str:
        return f"cosine at least {self.min_cosine:.6f}, mean {self.mean_cosine:.6f}"

    def keeps(self, promise: "Quality") -> bool:
        """Whether both are at least what was promised; vectors that are no numbers never are."""
        is_min_kept = self.min_cosine >= promise.min_cosine
        return is_min_kept and self.mean_cosine >= promise.mean_cosine


def measure_quality(vectors: Vectors, reference: Vectors) -> Quality:
    """Row by row, both of shape (n, dim) with rows of length 1."""
    cosine = (vectors.astype(float) * reference.astype(float)).sum(axis=1)
    return Quality(float(cosine.min()), float(cosine.mean()))


@cache
def read_texts(kind: str) -> tuple[str, ...]:
    """Texts of "probes" or "levels": each by itself, then runs of them up to a long text."""
    single: list[str] = tomllib.loads(_FILE.read_text(encoding="utf-8"))[kind]
    joined = [
        " ".join(single[start : start + length])
        for length in (3, 6, 12)
        for start in range(0, len(single), length)
    ]
    return (*single, *joined)


@cache
def hash_texts() -> str:
    """Changes when the built-in texts do."""
    return hashlib.sha256(_FILE.read_bytes()).hexdigest()[:16]
