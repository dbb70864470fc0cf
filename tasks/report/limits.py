"""Caps that keep a page small whatever the night was: rows per table, and what was left out.

Nothing is dropped silently: every cap that bites is listed, with what was shown and what there was.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from tasks.report.attack_rows import AttackBook, AttackRow
from tasks.report.beside import DataChange, compare_data
from tasks.report.changes import EffectChange
from tasks.report.graph_rows import GraphRow
from tasks.report.model import (
    HEADLINE_CONTRAST,
    AttributeRow,
    CheckRow,
    DropRow,
    EffectRow,
    NightReport,
    RefutationRow,
    Reproducibility,
    SegmentRow,
    TaskRow,
)

MAX_BYTES: Final = 2_000_000
"""A page or a JSON file is smaller than this."""

MAX_EDGES: Final = 500
MAX_NOTES: Final = 20

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Limits:
    """Most rows per table; `items` bounds every list or mapping inside a row."""

    drops: int = 120
    imports: int = 40
    quarantine: int = 30
    checks: int = 200
    effects: int = 300
    charts: int = 12
    detailed: int = 4
    chart_rows: int = 20
    reasons: int = 60
    stages: int = 40
    changes: int = 60
    data: int = 60
    positions: int = 60
    refutations: int = 1_200
    segments: int = 400
    trends: int = 2_000
    points: int = 300
    graphs: int = 4
    edges: int = 60
    recommenders: int = 40
    attacks: int = 400
    attack_texts: int = 120
    flagged: int = 200
    attributes: int = 48
    examples: int = 6
    tasks: int = 400
    freshness: int = 60
    items: int = 12
    notes: int = 20

    def shrunk(self, factor: int) -> "Limits":
        """Every cap divided by `factor`, but not below 1."""
        return Limits(**{name: max(value // factor, 1) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Cap:
    """A table of which only the first rows are shown."""

    section: str
    shown: int
    total: int


@dataclass(frozen=True)
class CappedNight:
    """What fits: the report, its changes, and the list of what was cut."""

    report: NightReport
    changes: tuple[EffectChange, ...]
    data: tuple[DataChange, ...]
    caps: tuple[Cap, ...]


def cap_night(
    report: NightReport, changes: Sequence[EffectChange], *, limits: Limits
) -> CappedNight:
    """The night within `limits`; what matters most comes first and therefore stays."""
    caps: list[Cap] = []

    def take(section: str, rows: Iterable[T], limit: int) -> tuple[T, ...]:
        listed = tuple(rows)
        if len(listed) > limit:
            caps.append(Cap(section, limit, len(listed)))
        return listed[:limit]

    capped = report.model_copy(
        update={
            "drops": _trim_drops(take("drops", sort_drops(report.drops), limits.drops), limits),
            "imports": take("imports", report.imports, limits.imports),
            "quarantine": take("quarantined rows", report.quarantine, limits.quarantine),
            "freshness": take("sources", report.freshness, limits.freshness),
            "checks": _trim_checks(
                take("checks", sort_checks(report.checks), limits.checks), limits
            ),
            "effects": _trim_effects(
                take("effects", sort_effects(report.effects), limits.effects), limits
            ),
            "previous_effects": (),
            "previous_attacks": (),
            "previous_recommenders": (),
            "moved": (),
            "usual": (),
            "positions": take("positions", report.positions, limits.positions),
            "refutations": take(
                "refutations", sort_refutations(report.refutations), limits.refutations
            ),
            "segments": take("segments", sort_segments(report.segments), limits.segments),
            "trends": take("trends", report.trends, limits.trends),
            "graphs": take("graphs", map(_trim_graph, report.graphs), limits.graphs),
            "recommenders": take("recommenders", report.recommenders, limits.recommenders),
            "attacks": _cap_attacks(report.attacks, take, limits),
            "attributes": _trim_examples(
                take("attributes", report.attributes, limits.attributes), limits
            ),
            "tasks": take("tasks", sort_tasks(report.tasks), limits.tasks),
            "notes": take("notes", report.notes, limits.notes),
            "truth": report.truth[: limits.effects],
            "labels": _first_items(report.labels, limits.attributes),
            "units": _first_items(report.units, limits.items),
            "reproducibility": _trim_versions(report.reproducibility, limits),
        }
    )
    kept = take("changes", changes, limits.changes)
    data = take("data changes", compare_data(report), limits.data)
    return CappedNight(report=capped, changes=kept, data=data, caps=tuple(caps))


class Take(Protocol):
    """The first rows of a section; that there were more is noted."""

    def __call__(self, section: str, rows: Iterable[Any], limit: int, /) -> tuple[Any, ...]:
        """At most `limit` rows."""


def _cap_attacks(book: AttackBook, take: Take, limits: Limits) -> AttackBook:
    """Attacks, and of earlier weeks those that they are held against."""
    attacks = take("attacks", sort_attacks(book.attacks), limits.attacks)
    known = {row.key for row in attacks}
    texts = sorted(book.examples, key=lambda row: row.outcome != "succeeded")
    return AttackBook(
        attacks=attacks,
        previous=tuple(row for row in book.previous if row.key in known),
        defences=take("defences", book.defences, limits.attacks),
        examples=take("attacked texts", texts, limits.attack_texts),
        flagged=take("accounts that look fake", book.flagged, limits.flagged),
    )


def sort_attacks(rows: Iterable[AttackRow]) -> list[AttackRow]:
    """Those that turn a verdict first, then others that succeeded."""
    return sorted(rows, key=lambda row: (not row.is_verdict_flipped, not row.succeeded))


def sort_drops(drops: Iterable[DropRow]) -> list[DropRow]:
    """Drops with a trouble first, then the latest."""
    latest = sorted(drops, key=lambda drop: drop.drop_id, reverse=True)
    return sorted(latest, key=lambda drop: (not drop.unaccounted, not drop.is_stopped))


def sort_checks(checks: Iterable[CheckRow]) -> list[CheckRow]:
    """Failed critical ones first, then warnings, then passed ones."""
    return sorted(checks, key=lambda check: (not check.is_critical_failure, check.is_success))


def sort_effects(rows: Iterable[EffectRow]) -> list[EffectRow]:
    """The headline contrast first, all history before shorter windows."""
    return sorted(rows, key=lambda row: (row.contrast != HEADLINE_CONTRAST, row.window != "all"))


def sort_refutations(rows: Iterable[RefutationRow]) -> list[RefutationRow]:
    """Those of the headline contrast over all history first, failed ones before passed ones."""
    return sorted(
        rows,
        key=lambda row: (
            row.contrast != HEADLINE_CONTRAST,
            row.window != "all",
            row.result not in {"failed", "weak"},
        ),
    )


def sort_segments(rows: Iterable[SegmentRow]) -> list[SegmentRow]:
    """Attributes whose effect differs most clearly first, those without a test last."""
    return sorted(rows, key=lambda row: (row.q_value is None, row.q_value or 0.0))


def sort_tasks(tasks: Iterable[TaskRow]) -> list[TaskRow]:
    """Failed tasks first, then retried ones, then the rest in the order given."""
    return sorted(tasks, key=lambda task: (task.state != "failed", task.state != "retried"))


def _trim_graph(graph: GraphRow) -> GraphRow:
    """A graph of at most so many edges as a page can list; the drawings stay."""
    return graph.model_copy(
        update={
            "edges": graph.edges[:MAX_EDGES],
            "adjustments": graph.adjustments[:MAX_EDGES],
            "notes": _first_notes(graph.notes, MAX_NOTES),
        }
    )


def _first_items(mapping: Mapping[K, V], limit: int) -> dict[K, V]:
    return dict(list(mapping.items())[:limit])


def _first_notes(notes: tuple[str, ...], limit: int) -> tuple[str, ...]:
    """The first notes, and how many more there were."""
    if len(notes) <= limit:
        return notes
    return (*notes[:limit], f"and {len(notes) - limit:,} more")


def _trim_drops(drops: Iterable[DropRow], limits: Limits) -> tuple[DropRow, ...]:
    return tuple(
        drop.model_copy(
            update={
                "reasons": _top_reasons(drop.reasons, limits.items),
                "drift": _first_notes(drop.drift, limits.items),
            }
        )
        for drop in drops
    )


def _top_reasons(reasons: Mapping[str, int], limit: int) -> dict[str, int]:
    """The most frequent reasons; the others summed under one name, so that the sum holds."""
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    kept = dict(ranked[:limit])
    if len(ranked) > limit:
        rest = f"{len(ranked) - limit:,} other reasons"
        kept[rest] = kept.get(rest, 0) + sum(count for _, count in ranked[limit:])
    return kept


def _trim_checks(checks: Iterable[CheckRow], limits: Limits) -> tuple[CheckRow, ...]:
    return tuple(
        check.model_copy(update={"examples": _first_notes(check.examples, limits.items)})
        for check in checks
    )


def _trim_effects(rows: Iterable[EffectRow], limits: Limits) -> tuple[EffectRow, ...]:
    return tuple(
        row.model_copy(update={"reasons": _first_notes(row.reasons, limits.items)}) for row in rows
    )


def _trim_examples(rows: Iterable[AttributeRow], limits: Limits) -> tuple[AttributeRow, ...]:
    return tuple(
        row.model_copy(update={"examples": row.examples[: limits.examples]}) for row in rows
    )


def _trim_versions(row: Reproducibility, limits: Limits) -> Reproducibility:
    most = 4 * limits.items
    return row.model_copy(
        update={
            "versions": _first_items(row.versions, most),
            "seeds": _first_items(row.seeds, most),
        }
    )
