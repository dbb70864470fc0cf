"""A toy encoder and a toy shop's reviews, for tests of what is built on vectors."""

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from tasks.text.segments import parse_text

DIM = 48
GOOD = ("great", "lovely", "superb")
BAD = ("awful", "terrible", "nasty")


@cache
def _word_vector(word: str) -> npt.NDArray[np.float32]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).normal(size=DIM).astype(np.float32)


def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Unit vectors: the sum of the words' random vectors."""
    rows = np.zeros((len(texts), DIM), dtype=np.float32)
    for row, text in enumerate(texts):
        rows[row] = sum((_word_vector(w.form) for w in parse_text(text).words), np.full(DIM, 1e-3))
    unit: npt.NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def write_reviews(n: int, seed: int) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Reviews of food and noise, and what they say of either: 1, -1 or 9, shape (n, 2)."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([1, -1, 9], size=(n, 2), p=[0.35, 0.25, 0.4])
    texts = []
    for row in truth:
        parts = [f"We came on day {rng.integers(1000)}."]
        for thing, said in zip(("food", "noise"), row, strict=True):
            if said != 9:
                parts.append(f"The {thing} was {rng.choice(GOOD if said == 1 else BAD)}.")
        texts.append(" ".join(parts))
    return texts, truth
