"""What an attack wants of the victim's answer."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tasks.robustness.text.victim import Floats

Flags = npt.NDArray[np.bool_]


class Goal(Protocol):
    """Says how near an answer is to what is wanted, and when it is there."""

    def loss(self, shares: Floats, before: Floats, truth: int) -> Floats:
        """Shape (n,), lower is nearer, of answers (n, labels); `before` (labels,) is the first one."""

    def is_reached(self, shares: Floats, before: Floats, truth: int) -> Flags:
        """Shape (n,): which answers are what is wanted."""

    def refuse(self, before: Floats, truth: int) -> str | None:
        """Why there is nothing to attack; None when there is."""


@dataclass(frozen=True)
class Flip:
    """Any other answer than the true one."""

    def loss(self, shares: Floats, before: Floats, truth: int) -> Floats:
        """Probability of the true label."""
        return shares[:, truth]

    def is_reached(self, shares: Floats, before: Floats, truth: int) -> Flags:
        """Another label is the likeliest."""
        return np.asarray(shares.argmax(axis=1) != truth)

    def refuse(self, before: Floats, truth: int) -> str | None:
        """A text that is read wrongly already cannot be broken."""
        return "read wrongly before any attack" if before.argmax() != truth else None


@dataclass(frozen=True)
class Become:
    """One wanted answer: label number `wanted`."""

    wanted: int

    def loss(self, shares: Floats, before: Floats, truth: int) -> Floats:
        """Probability that is missing."""
        return np.asarray(1.0 - shares[:, self.wanted])

    def is_reached(self, shares: Floats, before: Floats, truth: int) -> Flags:
        """The wanted label is the likeliest."""
        return np.asarray(shares.argmax(axis=1) == self.wanted)

    def refuse(self, before: Floats, truth: int) -> str | None:
        """Nothing to do where it is the answer already."""
        return "already the wanted answer" if before.argmax() == self.wanted else None


@dataclass(frozen=True)
class StayPut:
    """The answer stays although the text was made to say the opposite: a missed direction.

    The attack succeeds when the victim did not follow.
    """

    def loss(self, shares: Floats, before: Floats, truth: int) -> Floats:
        """What has gone from the first answer."""
        return np.asarray(1.0 - shares[:, truth])

    def is_reached(self, shares: Floats, before: Floats, truth: int) -> Flags:
        """The answer is the first one still."""
        return np.asarray(shares.argmax(axis=1) == truth)

    def refuse(self, before: Floats, truth: int) -> str | None:
        """A text that is read wrongly already shows nothing."""
        return "read wrongly before any attack" if before.argmax() != truth else None


@dataclass(frozen=True)
class Differ:
    """Another answer, or a probability moved by at least `shift`: for what must make no difference."""

    shift: float = 0.25

    def loss(self, shares: Floats, before: Floats, truth: int) -> Floats:
        """Minus the largest move."""
        return np.asarray(-np.abs(shares - before).max(axis=1))

    def is_reached(self, shares: Floats, before: Floats, truth: int) -> Flags:
        """Label changed, or moved far enough."""
        moved = np.abs(shares - before).max(axis=1) >= self.shift
        return np.asarray(moved | (shares.argmax(axis=1) != before.argmax()))

    def refuse(self, before: Floats, truth: int) -> str | None:
        """Every read text can be compared with itself."""
        return None


@dataclass(frozen=True)
class Only:
    """A goal for texts whose true label is one of `truths`; the others are skipped."""

    goal: Goal
    truths: frozenset[int]
    reason: str = "it says neither praise nor blame of it"

    def loss(self, shares: Floats, before: Floats, truth: int) -> Floats:
        """That of the goal."""
        return self.goal.loss(shares, before, truth)

    def is_reached(self, shares: Floats, before: Floats, truth: int) -> Flags:
        """That of the goal."""
        return self.goal.is_reached(shares, before, truth)

    def refuse(self, before: Floats, truth: int) -> str | None:
        """Other labels first, then what the goal says."""
        return self.reason if truth not in self.truths else self.goal.refuse(before, truth)
