"""Who is attacked, as an attack sees it: labels with probabilities; every question is counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PROBES: Final = (
    "", "It was wonderful, we loved it.", "It was terrible, we hated it.", "It came on a Tuesday.",
)  # fmt: skip
"""What a model that reads at all does not answer alike."""


class Victim(Protocol):
    """Reads texts and answers with one of its labels."""

    @property
    def labels(self) -> Sequence[str]:
        """Its answers, in the order of `predict`."""

    def predict(self, texts: Sequence[str]) -> Floats:
        """Probabilities, shape (n, labels); a row of NaN where it refuses to read a text."""


@dataclass
class Meter:
    """Asks a victim, remembers its answers, and counts: a text that was asked before is free.

    `budget` bounds the texts that are asked; None for no bound. `n_queries` were asked, `n_hits`
    remembered.
    """

    victim: Victim
    budget: int | None = None
    n_queries: int = 0
    n_hits: int = 0
    known: dict[str, Floats] = field(default_factory=dict)

    def count_new(self, texts: Sequence[str]) -> int:
        """How many of the texts would have to be asked."""
        return sum(text not in self.known for text in dict.fromkeys(texts))

    def can_ask(self, n_texts: int) -> bool:
        """Whether the budget allows so many more."""
        return self.budget is None or self.n_queries + n_texts <= self.budget

    def ask(self, texts: Sequence[str]) -> Floats:
        """Probabilities, shape (n, labels); whoever asks has seen to the budget (`can_ask`)."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            found = np.asarray(self.victim.predict(new), dtype=np.float64)
            self.known.update(zip(new, found, strict=True))
        self.n_queries += len(new)
        self.n_hits += len(texts) - len(new)
        rows = [self.known[text] for text in texts]
        return np.array(rows).reshape(len(texts), len(self.victim.labels))


def find_constant(answers: Sequence[Floats]) -> int | None:
    """The one label that all answers give, None when they differ or none was given.

    A model with one answer for everything has nothing to flip: it must be skipped, not praised.
    """
    found = {int(row.argmax()) for row in answers if not np.isnan(row).any()}
    return found.pop() if len(found) == 1 else None
