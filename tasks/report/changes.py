"""What changed since the previous night, and whether the change is real."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tasks.report.effects import group_effects
from tasks.report.model import EffectRow, Verdict

ChangeKind = Literal["verdict changed", "moved", "new", "gone", "steady"]
KINDS: Final[tuple[ChangeKind, ...]] = ("verdict changed", "moved", "new", "gone", "steady")


@dataclass(frozen=True)
class EffectChange:
    """One headline effect beside its value of the previous night, in units of the outcome.

    `difference` is now minus before, None unless both nights have an estimate.
    `is_overlapping` says whether the two intervals share a point, None unless both exist.
    The nights share most of their data, so disjoint intervals are a strict test of change.
    """

    source: str
    window: str
    outcome: str
    attribute: str
    kind: ChangeKind
    before: EffectRow | None
    now: EffectRow | None
    difference: float | None
    is_overlapping: bool | None

    @property
    def verdict_before(self) -> Verdict | None:
        """Verdict of the previous night, None when there was none."""
        return self.before.verdict if self.before else None

    @property
    def verdict_now(self) -> Verdict | None:
        """Verdict of this night, None when there is none."""
        return self.now.verdict if self.now else None


def compare_nights(
    previous: Iterable[EffectRow], current: Iterable[EffectRow]
) -> tuple[EffectChange, ...]:
    """Changes of every headline effect; changed verdicts first, then by size of the change."""
    before, now = _headline_rows(previous), _headline_rows(current)
    changes = [_compare(before.get(key), now.get(key)) for key in dict.fromkeys((*now, *before))]
    return tuple(sorted(changes, key=_rank_change))


def count_changes(changes: Sequence[EffectChange], kind: ChangeKind) -> int:
    """How many changes are of this kind."""
    return sum(change.kind == kind for change in changes)


def _headline_rows(rows: Iterable[EffectRow]) -> dict[tuple[str, ...], EffectRow]:
    return {row.key: row for group in group_effects(rows) for row in group.rows}


def _rank_change(change: EffectChange) -> tuple[int, float, str, str, str]:
    size = abs(change.difference or 0.0)
    return (KINDS.index(change.kind), -size, change.source, change.window, change.attribute)


def _compare(before: EffectRow | None, now: EffectRow | None) -> EffectChange:
    row = now or before
    if row is None:  # keys come from one of the two nights
        raise ValueError("an effect of neither night was compared; pass at least one row")
    difference = None
    if now and before and now.is_estimated and before.is_estimated:
        difference = (now.estimate or 0.0) - (before.estimate or 0.0)
    overlap = are_overlapping(before, now)
    kind = _name_change(before, now, is_overlapping=overlap)
    return EffectChange(
        row.source, row.window, row.outcome, row.attribute, kind, before, now, difference, overlap
    )


def _name_change(
    before: EffectRow | None, now: EffectRow | None, *, is_overlapping: bool | None
) -> ChangeKind:
    if before is None:
        return "new"
    if now is None:
        return "gone"
    if before.verdict != now.verdict:
        return "verdict changed"
    return "moved" if is_overlapping is False else "steady"


def are_overlapping(before: EffectRow | None, now: EffectRow | None) -> bool | None:
    """Whether two intervals share a point; None unless both nights have one."""
    if before is None or now is None or not (before.is_estimated and now.is_estimated):
        return None
    bounds = (before.ci_low, before.ci_high, now.ci_low, now.ci_high)
    if any(bound is None for bound in bounds):
        return None
    low_1, high_1, low_2, high_2 = (bound or 0.0 for bound in bounds)
    return low_1 <= high_2 and low_2 <= high_1
