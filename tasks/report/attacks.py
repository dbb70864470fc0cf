"""The chapter on attackers: how few fake reviews change a conclusion, and what detection saves."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.report.attack_rows import AttackRow, DefenceRow, FlaggedRow
from tasks.report.model import NightReport
from tasks.report.words import format_count, name_attribute, tell_plural

EFFECTS = "effects"
MAX_FLAGGED = 10


@dataclass(frozen=True)
class Attempt:
    """One attack on one target, with the defences tried against it."""

    row: AttackRow
    subject: str
    smallest: str
    defences: tuple[DefenceRow, ...]


@dataclass(frozen=True)
class AttacksView:
    """What the page says of attacks on one source."""

    source: str
    sentence: str
    effects: tuple[Attempt, ...]
    others: tuple[Attempt, ...]
    flagged: tuple[FlaggedRow, ...]
    n_flagged: int


def view_attacks(report: NightReport) -> tuple[AttacksView, ...]:
    """One view a source, in the order in which sources appear."""
    book = report.attacks
    named = [row.source for row in book.attacks] + [row.source for row in book.flagged]
    sources = dict.fromkeys(named)
    return tuple(_view_source(source, report) for source in sources)


def _view_source(source: str, report: NightReport) -> AttacksView:
    book = report.attacks
    rows = [row for row in book.attacks if row.source == source]
    attempts = [_describe(row, report) for row in rows]
    flagged = [row for row in book.flagged if row.source == source]
    return AttacksView(
        source=source,
        sentence=_tell_all(rows, report),
        effects=tuple(a for a in attempts if a.row.target == EFFECTS),
        others=tuple(a for a in attempts if a.row.target != EFFECTS),
        flagged=tuple(flagged[:MAX_FLAGGED]),
        n_flagged=len(flagged),
    )


def _describe(row: AttackRow, report: NightReport) -> Attempt:
    is_effect = row.target == EFFECTS
    return Attempt(
        row=row,
        subject=name_attribute(row.subject, report.labels) if is_effect else row.subject,
        smallest=_tell_smallest(row),
        defences=tuple(
            defence
            for defence in report.attacks.defences
            if (defence.source, defence.attack, defence.target, defence.subject)
            == (row.source, row.attack, row.target, row.subject)
        ),
    )


def _tell_smallest(row: AttackRow) -> str:
    """The smallest attack that changes the verdict, in words; empty where none was looked for."""
    if row.smallest_share is not None:
        return f"{row.smallest_share:.2%}"
    return "" if row.looked_to is None else f"none up to {row.looked_to:.0%}"


def _tell_all(rows: Sequence[AttackRow], report: NightReport) -> str:
    """How many attacks were tried, and the conclusion that falls first."""
    tried = sum(row.attempted for row in rows)
    counts = (
        f"{tell_plural(tried, 'attack').capitalize()} tried this week, "
        f"{format_count(sum(row.succeeded for row in rows))} succeeded, "
        f"{format_count(sum(row.skipped for row in rows))} skipped."
    )
    known = [row for row in rows if row.smallest_share is not None]
    if not known:
        return counts
    first = min(known, key=lambda row: row.smallest_share or 0.0)
    return (
        f"{counts} The conclusion that falls first is that on "
        f"{name_attribute(first.subject, report.labels)}: {first.smallest_share:.2%} of fake reviews "
        f"({first.attack}) change its verdict."
    )
