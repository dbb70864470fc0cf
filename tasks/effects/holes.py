"""Controls that some rows lack: these are told apart from the others, but keep what it would have taken away."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.effects.basis import MISSING, Basis, NumericTerm, Term, label_columns
from tasks.effects.credibility import Finding, weigh_row
from tasks.effects.estimate import Row
from tasks.effects.gaps import measure_share
from tasks.effects.intervals import Interval, read_interval
from tasks.effects.moments import Moments
from tasks.effects.panel import RECORD, call_control

HOLE_LEFT: Final = 0.15
"""Confounding that holes leave in, as a share of an interval's width, from which on it is no longer what
it says; this is foretold and not measured: 95% intervals so far off hold 91%."""
_LEAST: Final = 0.005
_SHOWN: Final = 3
_MOST_WEIGHT: Final = 0.95


@dataclass(frozen=True)
class Hole:
    """Controls that lack in the same `share` of the rows, by name, and the columns of what they say."""

    names: tuple[str, ...]
    columns: frozenset[str]
    share: float


def find_holes(basis: Basis, moments: Moments) -> list[Hole]:
    """Holes of a window's controls, from its moments, which have the columns of `basis`.

    A rating of earlier reviews is missing where there are none; that is no hole.
    """
    found: dict[int, list[Term]] = defaultdict(list)
    for term in basis.terms:
        column = _name_missing(term)
        if term.name in RECORD or column not in basis.names:
            continue
        rows = round(measure_share(basis, moments, column) * moments.n)
        if _LEAST * moments.n <= rows < moments.n:
            found[rows].append(term)
    return [
        Hole(
            names=tuple(call_control(term.name) for term in terms),
            columns=frozenset(
                label
                for term in terms
                for label in label_columns(term)
                if label in basis.names and label != _name_missing(term)
            ),
            share=rows / moments.n,
        )
        for rows, terms in found.items()
    ]


def weigh_holes(
    rows: Sequence[Row],
    holes: Sequence[Hole],
    refit: Callable[[Collection[str]], Sequence[Row]],
) -> list[Row]:
    """`rows` of effects with what each hole may leave in them.

    `refit` gives the same rows, in the same order, when columns of the controls are left out.
    """
    weighed = list(rows)
    for hole in holes:
        without = refit(hole.columns)
        weighed = [
            weigh_row(row, _check_row(row, other, hole))
            for row, other in zip(weighed, without, strict=True)
        ]
    return weighed


def check_hole(
    hole: tuple[str, float], found: Interval, without: float, *, weight: float | None = None
) -> list[Finding]:
    """Whether rows that lack a control may move an estimate by a good part of its interval.

    `hole` is its name and the share of these rows. They are told apart from the others but keep what
    the control would have taken away: their share of what it moves the estimate by, which is `without`
    it another. `weight` is their share in the estimate, where that is not the one of the rows.
    """
    name, share = hole
    if not 0 < share < 1:
        return []
    counted = share if weight is None else weight
    left = counted / (1 - counted) * abs(without - found.estimate)
    if left <= HOLE_LEFT * (found.ci_high - found.ci_low):
        return []
    said = (
        f"control {name} is missing in {share:.1%} of the rows, which are not adjusted for it: this may "
        f"move the estimate by {left:.2g}, and its interval is {found.ci_high - found.ci_low:.2g} wide; "
        "fill the control in, or ask without those rows"
    )
    return [("weak", said)]


def _check_row(row: Row, without: Row, hole: Hole) -> list[Finding]:
    if row["estimate"] is None or without["estimate"] is None:
        return []
    more = len(hole.names) - _SHOWN
    name = ", ".join(hole.names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    # a slope counts rows by what the controls leave of their treatment: most where one lacks
    weight = hole.share * without["variance_left"] / row["variance_left"]
    return check_hole(
        (name, hole.share),
        read_interval(row),
        without["estimate"],
        weight=min(weight, _MOST_WEIGHT),
    )


def _name_missing(term: Term) -> str:
    if isinstance(term, NumericTerm):
        return label_columns(term)[-1]
    return f"{term.name}={MISSING}"
