"""What a window's frozen controls adjust for in part alone, read from its moments."""

from typing import Final

import numpy as np

from tasks.effects.basis import OTHER, Basis, CategoricalTerm, Term
from tasks.effects.credibility import Finding
from tasks.effects.moments import INTERCEPT, Moments
from tasks.effects.panel import call_control
from tasks.effects.ridge import locate

MUCH: Final = 0.1
"""Share of rows in levels without a column of their own that speaks against an estimate."""


def find_gaps(basis: Basis, moments: Moments) -> list[Finding]:
    """Categorical controls of which over a tenth of the rows lie in levels that share one column.

    And those in which some numbers were read as missing, which is no fault.
    `moments` have the columns of `basis`.
    """
    findings = [_tell_codes(term) for term in basis.terms if term.codes]
    for term in basis.terms:
        if not isinstance(term, CategoricalTerm) or f"{term.name}={OTHER}" not in basis.names:
            continue
        share = measure_share(basis, moments, f"{term.name}={OTHER}")
        if share <= MUCH:
            continue
        columns = sum(level != OTHER for level in term.levels)
        said = (
            f"control {call_control(term.name)} is adjusted for in part: {share:.0%} of the "
            f"reviews lie in levels beyond the {columns} largest, which share one column; raise "
            "effects.max_levels, or group them"
        )
        findings.append(("weak", said))
    return findings


def _tell_codes(term: Term) -> Finding:
    codes = " and ".join(f"{code:g}" for code in term.codes)
    return (
        "credible",
        f"control {call_control(term.name)}: {codes} lies far from all its other values and is read as missing",
    )


def measure_share(basis: Basis, moments: Moments, name: str) -> float:
    """Share of the rows in which a 0/1 column of the basis is 1."""
    if not moments.n:
        return 0.0
    first, column = locate(moments.columns, [INTERCEPT, name])
    at = basis.names.index(name)
    total = float(np.asarray(moments.grams[:, first, column]).sum())
    return basis.centre[at] + basis.scale[at] * total / moments.n
