"""What somebody has to look at, by kind: rows, gate, tasks, warnings, columns, stale sources."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from tasks.platform.schema import EVENT_TABLES
from tasks.report.beside import compare_data
from tasks.report.model import CheckRow, DropRow, FreshnessRow, NightReport, TaskRow
from tasks.report.words import capitalise, end_sentence, format_date, format_plural, join_words

Kind = Literal[
    "lost",
    "critical",
    "stopped",
    "tasks",
    "withdrawn",
    "missing",
    "warning",
    "drift",
    "stale",
]
REFUSAL: Final = "ingest.refuse_drop"
"""The task that ends with an error where the gate stops a drop."""


@dataclass(frozen=True)
class Item:
    """One line of a list: what it is about, what to know, the section it leads to."""

    subject: str
    text: str
    anchor: str


def find_problems(report: NightReport, *, kinds: Sequence[Kind] = ()) -> Iterable[Item]:
    """What somebody has to look at, the worst first; of some `kinds`, or of all."""
    for kind in kinds or tuple(_FINDERS):
        yield from _FINDERS[kind](report)


def find_age(row: FreshnessRow, report: NightReport) -> int | None:
    """Days from the newest drop to the night's date, None without a drop."""
    return None if row.newest_drop is None else (report.as_of - row.newest_drop).days


def is_stale(row: FreshnessRow, report: NightReport) -> bool:
    """The newest drop is older than allowed, or there is none at all."""
    age = find_age(row, report)
    if age is None:
        return True
    return row.max_age_days is not None and age > row.max_age_days


def is_news(drop_id: str, report: NightReport) -> bool:
    """A drop of this night, or one without a date: warnings of earlier days were told then."""
    try:
        return date.fromisoformat(drop_id) >= report.as_of
    except ValueError:
        return True


def name_check(check: CheckRow) -> str:
    """Shop reviews, failed check: rating lies in 1 to 5."""
    return f"{check.source} {check.table}, failed check: {check.expectation}".strip()


def _find_lost_rows(report: NightReport) -> Iterable[Item]:
    for drop in report.drops:
        if drop.unaccounted:
            count = format_plural(abs(drop.unaccounted), "row")
            what = "cannot be found" if drop.unaccounted > 0 else "came from nowhere"
            text = f"{count} {what}: the accounting of {drop.table} does not close."
            yield Item(f"{drop.source} {drop.drop_id}", text, "rows")


def name_refused(report: NightReport) -> set[str]:
    """Deliveries that the gate holds, as source/drop_id/table."""
    stopped = {drop.label for drop in report.drops if drop.status == "stopped by gate"}
    return stopped | {check.label for check in report.checks if check.is_critical_failure}


def list_failed(report: NightReport) -> list[TaskRow]:
    """Tasks that failed; a gate that did its work is no failure, it is told where its checks are."""
    told = {f"{REFUSAL} {label}" for label in name_refused(report)}
    return [task for task in report.tasks if task.state == "failed" and task.name not in told]


def _find_critical(report: NightReport) -> Iterable[Item]:
    for check in report.checks:
        if check.is_critical_failure:
            yield Item(name_check(check), _explain_check(check), "quality")


def _find_stopped(report: NightReport) -> Iterable[Item]:
    told = {check.label for check in report.checks if check.is_critical_failure}
    for drop in report.drops:
        if drop.is_stopped and drop.label not in told:
            state = "was stopped by the gate" if drop.status == "stopped by gate" else "failed"
            text = f"The drop {state}; what was published before stays as it was."
            yield Item(
                f"{drop.source} {drop.drop_id}",
                f"{text} {end_sentence(drop.message)}" if drop.message else text,
                "rows",
            )


def _find_failed_tasks(report: NightReport) -> Iterable[Item]:
    for task in list_failed(report):
        reason = task.message or "No reason was recorded; see the log of the run."
        yield Item(f"{task.stage}: {task.name}", f"The task failed. {reason}", "run")


def _list_withdrawn(report: NightReport) -> list[DropRow]:
    """Tables of the night's own drops that somebody took back."""
    own = [drop for drop in report.drops if drop.drop_id == report.as_of.isoformat()]
    return [drop for drop in own if drop.status == "withdrawn"]


def _find_withdrawn(report: NightReport) -> Iterable[Item]:
    for drop in _list_withdrawn(report):
        told = f" ({drop.message})" if drop.message else ""
        text = (
            f"The night's {drop.table} were withdrawn{told}. Conclusions rest on what came before."
        )
        yield Item(f"{drop.source} {drop.drop_id}", text, "rows")


def _find_missing(report: NightReport) -> Iterable[Item]:
    """Sources that used to deliver and did not, unless they are told to be too old."""
    told = {row.source for row in report.freshness if is_stale(row, report)}
    for source, tables in _list_missing(report).items():
        if source not in told:
            dates = [row.newest for row in report.usual if row.source == source and row.newest]
            newest = f"; the newest drop is of {format_date(max(dates))}" if dates else ""
            text = (
                f"{capitalise(join_words(tables))} of {format_date(report.as_of)} did not arrive"
                f"{newest}. Conclusions rest on what came before."
            )
            yield Item(source, text, "rows")


def _list_missing(report: NightReport) -> dict[str, list[str]]:
    """Tables that were to be expected, by source.

    Items and users are sent when they change: they are missed only where nothing came.
    """
    told = {(drop.source, drop.table) for drop in _list_withdrawn(report)}
    arrived = {drop.source for drop in report.drops if drop.drop_id == report.as_of.isoformat()}
    missing: dict[str, list[str]] = {}
    for change in compare_data(report):
        is_due = change.table in EVENT_TABLES or change.source not in arrived
        is_told = (change.source, change.table) in told
        if change.rows is None and change.is_unusual and is_due and not is_told:
            missing.setdefault(change.source, []).append(change.table)
    return missing


def _find_warnings(report: NightReport) -> Iterable[Item]:
    for check in report.checks:
        if check.is_warning and is_news(check.drop_id, report):
            yield Item(name_check(check), _explain_check(check), "quality")


def _find_drift(report: NightReport) -> Iterable[Item]:
    for drop in report.drops:
        if drop.drift and is_news(drop.drop_id, report):
            text = f"Its columns changed: {'; '.join(drop.drift[:3])}."
            yield Item(f"{drop.source} {drop.drop_id}", text, "rows")


def _find_stale_sources(report: NightReport) -> Iterable[Item]:
    for row in report.freshness:
        if is_stale(row, report):
            age = find_age(row, report)
            text = (
                "No drop of it was ever published; see that its path is right in whyrec.toml."
                if age is None
                else f"The newest drop is {format_plural(age, 'day')} old, "
                f"allowed is {format_plural(row.max_age_days or 0, 'day')}."
            )
            yield Item(row.source, text, "rows")


def _explain_check(check: CheckRow) -> str:
    found = f"found: {check.observed}" if check.observed else "it failed"
    allowed = f"allowed: {check.allowed}" if check.allowed else ""
    return " ".join(map(end_sentence, filter(None, (found, allowed, check.breaks, check.advice))))


_FINDERS: Final[Mapping[Kind, Callable[[NightReport], Iterable[Item]]]] = {
    "lost": _find_lost_rows,
    "critical": _find_critical,
    "stopped": _find_stopped,
    "tasks": _find_failed_tasks,
    "withdrawn": _find_withdrawn,
    "missing": _find_missing,
    "warning": _find_warnings,
    "drift": _find_drift,
    "stale": _find_stale_sources,
}
"""In the order in which a reader should hear of them."""
