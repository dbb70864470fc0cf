"""What proves that an attacked text still means what it meant. Texts that fail are never asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tasks.robustness.text.victim import Floats
from tasks.robustness.text.words import count_changed_words, load_stop_words, split_words

Flags = npt.NDArray[np.bool_]
Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Unit vectors of texts, shape (n, dim)."""


class Constraint(Protocol):
    """Judges pairs of texts, many at once."""

    @property
    def name(self) -> str:
        """What it is called in results."""

    def passes(self, originals: Sequence[str], changed: Sequence[str]) -> Flags:
        """Shape (n,): which changed texts may stand for their originals."""


@dataclass(frozen=True)
class EditShare:
    """At most so large a share of the words changed, and one word in any case."""

    most: float = 0.3
    name: str = "edit share"

    def passes(self, originals: Sequence[str], changed: Sequence[str]) -> Flags:
        """By Levenshtein distance over words."""
        return np.array(
            [
                count_changed_words(one, other) <= max(1, int(self.most * len(split_words(one))))
                for one, other in zip(originals, changed, strict=True)
            ],
            dtype=bool,
        )


@dataclass(frozen=True)
class Similar:
    """Cosine of the two texts' vectors at least `least`."""

    embed: Embed
    least: float = 0.8
    name: str = "similarity"

    def passes(self, originals: Sequence[str], changed: Sequence[str]) -> Flags:
        """Equal texts are embedded once."""
        if not len(originals):
            return np.zeros(0, dtype=bool)
        rows = {text: row for row, text in enumerate(dict.fromkeys([*originals, *changed]))}
        vectors = self.embed(list(rows))
        left = vectors[[rows[text] for text in originals]]
        right = vectors[[rows[text] for text in changed]]
        return np.asarray((left * right).sum(axis=1) >= self.least, dtype=bool)


@dataclass(frozen=True)
class Fluent:
    """Perplexity under a language model at most `most` times that of the original.

    `surprise` gives the mean negative log-likelihood of a text's tokens, in nats, shape (n,).
    """

    surprise: Callable[[Sequence[str]], Floats]
    most: float = 3.0
    name: str = "perplexity"
    known: dict[str, float] = field(default_factory=dict, compare=False)

    def passes(self, originals: Sequence[str], changed: Sequence[str]) -> Flags:
        """Each text is read once."""
        new = [t for t in dict.fromkeys([*originals, *changed]) if t not in self.known]
        if new:
            self.known.update(zip(new, self.surprise(new).tolist(), strict=True))
        rise = [self.known[b] - self.known[a] for a, b in zip(originals, changed, strict=True)]
        return np.asarray(np.array(rise, dtype=np.float64) <= np.log(self.most), dtype=bool)


@dataclass(frozen=True)
class LabelsKept:
    """Another reader sees the same in both texts, in everything that the attack is not after.

    `read` gives labels of texts, shape (n, k), of what should stay untouched.
    """

    read: Callable[[Sequence[str]], npt.NDArray[np.int64]]
    name: str = "other labels kept"
    known: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict, compare=False)

    def passes(self, originals: Sequence[str], changed: Sequence[str]) -> Flags:
        """Each text is read once."""
        new = [t for t in dict.fromkeys([*originals, *changed]) if t not in self.known]
        if new:
            self.known.update(zip(new, self.read(new), strict=True))
        pairs = zip(originals, changed, strict=True)
        return np.array([(self.known[a] == self.known[b]).all() for a, b in pairs], dtype=bool)


@dataclass(frozen=True)
class Guard:
    """Words that an attack must leave alone: stop words, short ones, and `kept` (lower case)."""

    kept: frozenset[str] = frozenset()
    stop_words: frozenset[str] = field(default_factory=load_stop_words)
    least_letters: int = 2

    def allows(self, word: str) -> bool:
        """Whether a word may be changed."""
        form = word.lower().replace("’", "'")
        is_long = len(word) >= self.least_letters
        return is_long and form not in self.stop_words and form not in self.kept


def filter_pairs(
    constraints: Sequence[Constraint], originals: Sequence[str], changed: Sequence[str]
) -> tuple[Flags, dict[str, int]]:
    """Which pairs pass all constraints, shape (n,), and how many each one refused first."""
    passed = np.ones(len(originals), dtype=bool)
    refused = {constraint.name: 0 for constraint in constraints}
    for constraint in constraints:
        rows = np.flatnonzero(passed).tolist()
        if not rows:
            break
        fine = constraint.passes([originals[r] for r in rows], [changed[r] for r in rows])
        refused[constraint.name] += int((~fine).sum())
        passed[rows] = fine
    return passed, refused
