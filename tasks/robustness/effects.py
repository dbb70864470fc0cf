"""What an attack does to conclusions: shifts, sign flips, verdict flips, and how little suffices.

The room knows no estimator. It takes a `Target`, which adds rows to what conclusions are drawn
from (an attack's rows are more rows of Gram matrices) and draws them again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import polars as pl

from tasks.robustness.corpus import Corpus, Floats

Side = Literal["raises", "lowers", "no clear effect"]

GRID: Final = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
"""Shares of the genuine rows at which a flip is first looked for."""


@dataclass(frozen=True)
class Conclusion:
    """What is concluded of one attribute; the numbers are None where there is "no result"."""

    verdict: str
    estimate: float | None = None
    std_error: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None

    @property
    def side(self) -> Side:
        """What a reader takes away: a credible effect's direction, else "no clear effect"."""
        if self.verdict != "credible" or self.ci_low is None or self.ci_high is None:
            return "no clear effect"
        if self.ci_low > 0:
            return "raises"
        return "lowers" if self.ci_high < 0 else "no clear effect"


class Target(Protocol):
    """Conclusions that can be drawn again from other rows."""

    @property
    def corpus(self) -> Corpus:
        """The genuine reviews."""

    def conclude(
        self, fakes: pl.DataFrame | None = None, weights: Floats | None = None
    ) -> Mapping[str, Conclusion]:
        """Conclusion on each attribute from the genuine rows and `fakes` together.

        `weights` (genuine rows, then fakes), each in [0, 1]; None: all 1.
        """

    def gradient(
        self, attribute: str, candidates: pl.DataFrame, fakes: pl.DataFrame | None = None
    ) -> Floats:
        """What one more row like each of `candidates` adds to the effect of `attribute`.

        To first order, at the genuine rows and `fakes`; shape (candidates,).
        """


@dataclass(frozen=True)
class Damage:
    """One conclusion before and after an attack of `rows` rows, `share` of the genuine ones read."""

    attribute: str
    share: float
    rows: int
    clean: Conclusion
    attacked: Conclusion

    @property
    def shift(self) -> float | None:
        """How far the estimate moved, in clean standard errors."""
        if self.clean.estimate is None or self.attacked.estimate is None:
            return None
        if not self.clean.std_error:
            return None
        return (self.attacked.estimate - self.clean.estimate) / self.clean.std_error

    @property
    def is_sign_flipped(self) -> bool:
        """The estimate lies on the other side of zero."""
        before, after = self.clean.estimate, self.attacked.estimate
        return before is not None and after is not None and before * after < 0

    @property
    def is_flipped(self) -> bool:
        """A reader would take away something else."""
        return self.clean.side != self.attacked.side

    @property
    def is_reversed(self) -> bool:
        """A reader would take away the opposite."""
        return {self.clean.side, self.attacked.side} == {"raises", "lowers"}


@dataclass(frozen=True)
class Smallest:
    """The smallest attack that flips one conclusion.

    `share` of the genuine rows that were read and `rows`; None when no attack up to `looked_to` (a share) does.
    `curve` are (share, shift in clean standard errors) at every size of the grid up to `looked_to`;
    an attack that writes fewer rows is as large as it gets.
    `not_below` is the largest share that was tried below it and did not flip. `tried` attacks were
    computed. Flips need not be monotone in size: it is the first flip on the grid that is refined.
    """

    attribute: str
    share: float | None
    rows: int | None
    not_below: float
    looked_to: float
    tried: int
    clean: Conclusion
    attacked: Conclusion | None
    curve: tuple[tuple[float, float | None], ...] = ()

    @property
    def sentence(self) -> str:
        """In words."""
        if self.share is None or self.attacked is None:
            return f"not below {self.looked_to:.1%} of the data"
        one = self.rows == 1
        told = f"{self.share:.2%} of the data ({self.rows:,} {'review' if one else 'reviews'})"
        return (
            f"{told} {'turns' if one else 'turn'} '{self.clean.side}' into '{self.attacked.side}'"
        )


def measure_damage(
    target: Target,
    attribute: str,
    fakes: pl.DataFrame,
    *,
    clean: Mapping[str, Conclusion] | None = None,
) -> Damage:
    """What all of `fakes` do to the conclusion on `attribute`."""
    clean = clean or target.conclude()
    return Damage(
        attribute=attribute,
        share=fakes.height / target.corpus.n_read,
        rows=fakes.height,
        clean=clean[attribute],
        attacked=target.conclude(fakes)[attribute],
    )


def find_smallest(
    target: Target,
    attribute: str,
    fakes: pl.DataFrame,
    *,
    clean: Mapping[str, Conclusion] | None = None,
    grid: Sequence[float] = GRID,
) -> Smallest:
    """The fewest of the first rows of `fakes` that flip the conclusion on `attribute`.

    Sizes of `grid` are tried in order until one flips; between it and the size before, bisection
    goes down to a single row. `fakes` holds the largest attack to try; smaller ones are its heads.
    """
    clean = clean or target.conclude()
    n = target.corpus.n_read
    known: dict[int, Conclusion] = {}

    def is_flipped(rows: int) -> bool:
        if rows not in known:
            known[rows] = target.conclude(fakes.head(rows))[attribute]
        return known[rows].side != clean[attribute].side

    tried = sorted({max(round(share * n), 1) for share in grid} | {fakes.height})
    low, high = 0, None
    sizes = [size for size in tried if size <= fakes.height]
    for rows in sizes:
        if is_flipped(rows):
            high = rows
            break
        low = rows
    while high is not None and high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_flipped(middle) else (middle, high)
    curve = []
    for rows in sizes:
        is_flipped(rows)
        damage = Damage(attribute, rows / n, rows, clean[attribute], known[rows])
        curve.append((rows / n, damage.shift))
    return Smallest(
        attribute=attribute,
        share=None if high is None else high / n,
        rows=high,
        not_below=low / n,
        looked_to=fakes.height / n,
        tried=len(known),
        clean=clean[attribute],
        attacked=None if high is None else known[high],
        curve=tuple(curve),
    )


def is_inside(attacked: Conclusion, clean: Conclusion) -> bool:
    """The estimate lies in the clean interval."""
    if attacked.estimate is None or clean.ci_low is None or clean.ci_high is None:
        return False
    return clean.ci_low <= attacked.estimate <= clean.ci_high
