"""What a window's frozen controls adjust for in part alone, read from its moments."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import MISSING, OTHER, Basis, CategoricalTerm, Term, read_levels
from tasks.effects.credibility import Finding
from tasks.effects.moments import INTERCEPT, IntArray, Moments
from tasks.effects.panel import call_control
from tasks.effects.ridge import locate

MUCH: Final = 0.1
"""Share of rows in levels without a column of their own that speaks against an estimate."""


@dataclass(frozen=True)
class Gap:
    """A categorical control of which a `share` of the rows lie in levels beyond its `columns` largest."""

    name: str
    share: float
    columns: int

    def __str__(self) -> str:
        """How many reviews lie where."""
        return (
            f"{self.share:.0%} of the reviews lie in levels beyond the {self.columns} largest, which share one "
            "column"
        )

    @property
    def control(self) -> str:
        """What the control is called in words."""
        return f"control {call_control(self.name)}"


def list_shared(basis: Basis) -> list[CategoricalTerm]:
    """Categorical controls some levels of which share one column."""
    return [
        term
        for term in basis.terms
        if isinstance(term, CategoricalTerm) and f"{term.name}={OTHER}" in basis.names
    ]


def code_shared(series: pl.Series, term: CategoricalTerm) -> IntArray:
    """A code of each level of a column that shares the column of `term`, -1 in the other rows, shape (n,)."""
    levels = read_levels(series, term.codes)
    is_shared = ~levels.is_in([MISSING, *term.levels])
    codes = levels.rank("dense").cast(pl.Int64).to_numpy()
    return np.where(is_shared.to_numpy(), codes, -1)


def find_gaps(basis: Basis, moments: Moments) -> list[Gap]:
    """Categorical controls of which over a tenth of the rows lie in levels that share one column.

    `moments` have the columns of `basis`.
    """
    gaps = []
    for term in list_shared(basis):
        share = measure_share(basis, moments, f"{term.name}={OTHER}")
        columns = sum(level != OTHER for level in term.levels)
        gaps.append(Gap(term.name, share, columns))
    return [gap for gap in gaps if gap.share > MUCH]


def tell_codes(basis: Basis) -> list[Finding]:
    """Controls in which some numbers were read as missing, which is no fault."""
    return [("credible", _tell_codes(term)) for term in basis.terms if term.codes]


def _tell_codes(term: Term) -> str:
    codes = " and ".join(f"{code:g}" for code in term.codes)
    return f"control {call_control(term.name)}: {codes} lies far from all its other values and is read as missing"


def measure_share(basis: Basis, moments: Moments, name: str) -> float:
    """Share of the rows in which a 0/1 column of the basis is 1."""
    if not moments.n:
        return 0.0
    first, column = locate(moments.columns, [INTERCEPT, name])
    at = basis.names.index(name)
    total = float(np.asarray(moments.grams[:, first, column]).sum())
    return basis.centre[at] + basis.scale[at] * total / moments.n
