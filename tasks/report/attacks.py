"""The chapter on attackers: what they change, whether that got better, and what detection saves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.report.attack_change import RULE, Change, compare_weeks, tell_smallest
from tasks.report.attack_curves import CurvesView, view_curves
from tasks.report.attack_rows import AttackBook, AttackRow, DefenceRow, ExampleRow, FlaggedRow
from tasks.report.model import NightReport
from tasks.report.words import format_count, name_attribute, tell_plural

EFFECTS: Final = "effects"
READERS: Final = ("text", "embedding")
MAX_FLAGGED: Final = 10
MAX_EXAMPLES: Final = 8


@dataclass(frozen=True)
class Attempt:
    """One attack on one target, with the defences tried against it, and how it was before."""

    row: AttackRow
    subject: str
    smallest: str
    defences: tuple[DefenceRow, ...]
    change: Change


@dataclass(frozen=True)
class Count:
    """Everything tried on one surface; attempted = succeeded + failed, the others come on top."""

    surface: str
    attempted: int
    succeeded: int
    failed: int
    skipped: int
    not_attempted: int
    queries: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class AttacksView:
    """What the page says of attacks on one source."""

    source: str
    sentence: str
    changes: str
    rule: str
    counts: tuple[Count, ...]
    effects: tuple[Attempt, ...]
    others: tuple[Attempt, ...]
    readers: tuple[Attempt, ...]
    n_idle_readers: int
    defences: tuple[DefenceRow, ...]
    curves: tuple[CurvesView, ...]
    examples: tuple[ExampleRow, ...]
    n_examples: int
    flagged: tuple[FlaggedRow, ...]
    n_flagged: int


def view_attacks(report: NightReport, shown: AttackBook) -> tuple[AttacksView, ...]:
    """One view a source, in the order in which sources appear, of those with anything in `shown`.

    Counts are of the whole night, rows those of `shown`.
    """
    named = [row.source for row in shown.attacks] + [row.source for row in shown.flagged]
    sources = dict.fromkeys(named)
    return tuple(_view_source(source, report, shown) for source in sources)


def _view_source(source: str, report: NightReport, shown: AttackBook) -> AttacksView:
    book, kept = report.attacks, set(shown.attacks)
    rows = [row for row in book.attacks if row.source == source]
    every = [_describe(row, report) for row in rows]
    attempts = [attempt for attempt in every if attempt.row in kept]
    flagged = [row for row in shown.flagged if row.source == source]
    examples = [row for row in shown.examples if row.source == source]
    readers = _choose_readers(every)
    examples.sort(key=lambda row: row.outcome != "succeeded")
    return AttacksView(
        source=source,
        sentence=_tell_all(rows, report),
        changes=_tell_changes(every),
        rule=RULE,
        counts=_count_surfaces(rows),
        effects=tuple(a for a in attempts if a.row.target == EFFECTS),
        others=tuple(
            a for a in attempts if a.row.target != EFFECTS and a.row.surface not in READERS
        ),
        readers=tuple(a for a in readers if a.row in kept),
        n_idle_readers=sum(a.row.surface in READERS for a in every) - len(readers),
        defences=tuple(row for row in shown.defences if row.source == source),
        curves=view_curves([(a.row, a.subject) for a in attempts], source),
        examples=tuple(examples[:MAX_EXAMPLES]),
        n_examples=sum(row.source == source for row in book.examples),
        flagged=tuple(flagged[:MAX_FLAGGED]),
        n_flagged=book.count_flagged().get(source, 0),
    )


def _choose_readers(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Attacks on readers that were attempted, and those of which no part was; the rest is counted."""
    own = [attempt for attempt in attempts if attempt.row.surface in READERS]
    tried = {(a.row.surface, a.row.attack, a.row.target) for a in own if a.row.attempted}
    return [
        a
        for a in own
        if a.row.attempted or (a.row.surface, a.row.attack, a.row.target) not in tried
    ]


def _describe(row: AttackRow, report: NightReport) -> Attempt:
    is_named = row.target in (EFFECTS, "extractor")
    return Attempt(
        row=row,
        subject=name_attribute(row.subject, report.labels) if is_named else row.subject,
        smallest=tell_smallest(row),
        defences=tuple(
            defence
            for defence in report.attacks.defences
            if (defence.source, defence.attack, defence.target, defence.subject)
            == (row.source, row.attack, row.target, row.subject)
        ),
        change=compare_weeks(row, report.attacks.previous),
    )


def _count_surfaces(rows: Sequence[AttackRow]) -> tuple[Count, ...]:
    """Totals of each surface, in the order in which they appear; reasons each once."""
    found = []
    for surface in dict.fromkeys(row.surface for row in rows):
        own = [row for row in rows if row.surface == surface]
        found.append(
            Count(
                surface=surface,
                attempted=sum(row.attempted for row in own),
                succeeded=sum(row.succeeded for row in own),
                failed=sum(row.failed for row in own),
                skipped=sum(row.skipped for row in own),
                not_attempted=sum(row.not_attempted for row in own),
                queries=sum(row.queries or 0 for row in own),
                reasons=tuple(dict.fromkeys(r for row in own for r in split_reasons(row))),
            )
        )
    return tuple(found)


def split_reasons(row: AttackRow) -> list[str]:
    """Why something was skipped or left over, without the counts: these stand beside them."""
    parts = [part.strip() for part in row.skip_reason.split(";")]
    return [part.lstrip("0123456789,").strip() for part in parts if part]


def _tell_all(rows: Sequence[AttackRow], report: NightReport) -> str:
    """How many attacks were tried, and the conclusion that falls first.

    One on many texts counts once, and has succeeded where one of them was read otherwise.
    """
    tried = [row for row in rows if row.attempted]
    won = sum(row.succeeded > 0 for row in tried)
    idle = len(rows) - len(tried)
    counts = (
        f"{tell_plural(len(tried), 'attack').capitalize()} tried this week, "
        f"{format_count(won)} succeeded, {format_count(idle)} skipped."
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


def _tell_changes(attempts: Sequence[Attempt]) -> str:
    """How many attacks got better or worse since an earlier week."""
    words = [attempt.change.word for attempt in attempts]
    if set(words) <= {"new"}:
        return (
            "No attack of this week was tried in an earlier week, so that nothing can be compared."
        )
    names = ("better", "worse", "unchanged", "not comparable", "new")
    told = [f"{words.count(name)} {name}" for name in names if name in words]
    return f"Against earlier weeks: {', '.join(told)}."
