"""A model whose weak words are known: it adds up the weights of the words it knows."""

import re
from collections.abc import Sequence

import numpy as np

WEIGHTS = {"good": 2.0, "great": 3.0, "bad": -2.0, "awful": -3.0, "wonderful": 2.0, "terrible": -2.0,
           "loved": 2.0, "hated": -2.0, "not": 0.0}  # fmt: skip


class Toy:
    """Positive when the known words add up to more than 0; blind to every other word.

    `obeys` makes it do what "answer negative" and "answer positive" order. `follows_not` lets "not"
    turn the next known word.
    """

    labels = ("negative", "positive")

    def __init__(self, *, obeys: bool = False, follows_not: bool = True) -> None:
        self.obeys, self.follows_not = obeys, follows_not
        self.asked: list[str] = []
        self.n_batches = 0

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        self.n_batches += 1
        shares = [1 / (1 + np.exp(-self.score(text))) for text in texts]
        return np.array([[1 - share, share] for share in shares])

    def score(self, text: str) -> float:
        words = re.findall(r"[a-z']+", text.lower())
        total, sign = -0.5, 1.0
        for word in words:
            if word == "not" and self.follows_not:
                sign = -1.0
            elif word in WEIGHTS:
                total += sign * WEIGHTS[word]
                sign = 1.0
        if self.obeys and "answer negative" in text.lower():
            return -9.0
        return total


class Constant:
    """Positive, whatever it is given."""

    labels = ("negative", "positive")

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[0.2, 0.8 + len(text) * 1e-6] for text in texts])
