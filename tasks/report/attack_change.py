"""This week's attacks beside those of an earlier week: better, worse or unchanged, with the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tasks.report.attack_rows import AttackRow, PreviousRow
from tasks.report.words import format_date

Word = Literal["better", "worse", "unchanged", "new", "not comparable"]

SAME_SHARE: Final = 0.10
"""Smallest attacks that differ by less than this share count as unchanged."""
SAME_RATE: Final = 0.05
"""Rates that differ by less than this count as unchanged."""
RULE: Final = (
    f"Unchanged: a smallest attack within {SAME_SHARE:.0%} of the earlier one, a rate within "
    f"{100 * SAME_RATE:.0f} points. Better is better for you: more fakes are needed, fewer texts are "
    "misread, the target is shown less."
)


@dataclass(frozen=True)
class Change:
    """What became of one attack since `before` was found; `sentence` has the numbers."""

    word: Word
    sentence: str


def compare_weeks(row: AttackRow, previous: Sequence[PreviousRow]) -> Change:
    """The change of one attack since the newest earlier week that tried it at the same size."""
    before = next((one for one in previous if one.key == row.key), None)
    if before is None:
        return Change("new", "not tried in an earlier week")
    when = format_date(before.as_of)
    if not row.attempted or not before.attempted:
        told = "skipped now" if not row.attempted else "skipped then"
        return Change("not comparable", f"{told} ({when})")
    if row.target == "effects":
        return _compare_smallest(row, before, when)
    return _compare_rates(row, before, when)


def _compare_smallest(row: AttackRow, before: PreviousRow, when: str) -> Change:
    """By how few fakes turn the conclusion; more is better.

    None found is more than were looked to, which need not be more than the share of the other week.
    """
    now, then = (tell_smallest(one) or "not looked for" for one in (row, before))
    told = f"{now}, was {then} ({when})"
    if row.smallest_share is None and before.smallest_share is None:
        return Change("unchanged", told)
    if row.smallest_share is None or before.smallest_share is None:
        reached, found = (row, before) if row.smallest_share is None else (before, row)
        if (reached.looked_to or 0.0) < (found.smallest_share or 0.0):
            return Change("not comparable", told)
        return Change("better" if row.smallest_share is None else "worse", told)
    ratio = row.smallest_share / before.smallest_share - 1
    return Change(_judge(-ratio, SAME_SHARE), told)


def _compare_rates(row: AttackRow, before: PreviousRow, when: str) -> Change:
    """By the damage done: the rate of successes, or how far the target rose."""
    now, then = find_damage(row), find_damage(before)
    if now is None or then is None:
        return Change("not comparable", f"no damage was measured then ({when})")
    return Change(_judge(now - then, SAME_RATE), f"{now:.0%}, was {then:.0%} ({when})")


def find_damage(row: AttackRow) -> float | None:
    """What an attack on a reader or a recommender did, as a rate; None where it is not known."""
    return abs(row.shift) if row.target == "recommender" and row.shift is not None else (
        row.success_rate
    )  # fmt: skip


def tell_smallest(row: AttackRow) -> str:
    """The smallest attack that changes the verdict, in words; empty where none was looked for."""
    if row.smallest_share is not None:
        return f"{row.smallest_share:.2%}"
    return "" if row.looked_to is None else f"none up to {row.looked_to:.0%}"


def _judge(damage: float, tolerance: float) -> Word:
    """`damage` is how much more harm is done now."""
    if abs(damage) < tolerance:
        return "unchanged"
    return "worse" if damage > 0 else "better"
