"""Do labels belong to the texts they are held against?

Labels that sit on other rows than those they were made of (rows counted from 1, a sorted file, ids of
another export) look like any others and bend every effect that is corrected by them. What gives them
away is that they agree with what was read no better than labels of other texts do.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tasks.effects.credibility import Finding
from tasks.effects.impute import Labels

_DEALS: Final = 400
_SEED: Final = 20240301
_SURE: Final = 3.0
_VERY_SURE: Final = 6.0
_SMALL: Final = 0.2


@dataclass(frozen=True)
class Agreement:
    """`share` of labels that agree with what was read, and `by_chance` of those of another text.

    `kappa` is the excess over chance, 1 when all agree (Cohen 1960,
    https://doi.org/10.1177/001316446002000104); `z` is that excess in standard deviations of what
    dealing the texts anew gives, `error` one such deviation of `kappa`.
    """

    share: float
    by_chance: float
    kappa: float
    error: float
    z: float

    @property
    def is_found(self) -> bool:
        """More than chance would have it."""
        return self.z >= _SURE


def measure_agreement(read: Labels, labels: Labels) -> Agreement | None:
    """Agreement of what was read in g texts with their labels, both (g, k) in {-1, 0, 1}.

    None where it cannot be told from chance: nothing varies.
    """
    rng = np.random.default_rng(_SEED)
    share = float((read == labels).mean())
    dealt = np.array([
        (read[rng.permutation(len(read))] == labels).mean() for _ in range(_DEALS)
    ])  # fmt: skip
    by_chance, spread = float(dealt.mean()), float(dealt.std())
    if spread < 1e-12 or by_chance > 1 - 1e-9:
        return None
    room = 1 - by_chance
    excess = share - by_chance
    return Agreement(share, by_chance, excess / room, spread / room, excess / spread)


def check_agreement(found: Agreement | None) -> list[Finding]:
    """What a want of agreement says against an estimate that rests on the labels."""
    if found is None or found.is_found:
        return []
    said = (
        f"the labels agree with what was read in {found.share:.0%} of cases, and labels of other "
        f"reviews would in {found.by_chance:.0%}: are they on the rows of their own reviews?"
    )
    is_none = found.kappa + 2 * found.error < _SMALL
    return [("not credible" if is_none else "weak", said)]


def is_elsewhere(own: Agreement | None, other: Agreement | None) -> bool:
    """Whether labels go with other rows beyond doubt, and with their own no more than by chance."""
    if own is None or other is None:
        return False
    return not own.is_found and other.z >= _VERY_SURE and other.kappa > own.kappa + _SMALL
