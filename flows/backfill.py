"""The backfill flow: the same night over past dates, missing ones only unless forced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows import stages
from flows.artifacts import show_backfill
from flows.conduct import conduct
from flows.console import PROGRESS
from flows.forms import shown
from flows.night import find_unchanged, open_night, run_night
from flows.nightly import Config, Force
from flows.state import Night, NightError
from tasks.ingest import task as ingest
from tasks.platform.errors import ConfigError
from tasks.platform.refs import DropRef
from tasks.platform.runs import count_states, read_events
from tasks.platform.settings import Settings

Stage = Literal["ingest", "all"]
CHUNK_DAYS = 30
"""Days whose drops are staged together; bounds what is held in memory."""


@flow(
    name="backfill",
    flow_run_name="backfill {start} to {end}",
    task_runner=ThreadPoolTaskRunner(max_workers=4),  # type: ignore[arg-type]
    persist_result=False,
)
def backfill(
    start: Annotated[date, shown("First date", "First night to fill in")],
    end: Annotated[date, shown("Last date", "Last night to fill in")],
    config: Config = None,
    only: Annotated[
        Stage,
        shown("Stage", "'ingest' publishes drops and stops; 'all' also re-derives"),
    ] = "all",
    force: Force = False,
) -> dict[str, Any]:
    """Run the nightly function over past dates; days that are whole already cost next to nothing.

    Args:
        start: First night to fill in.
        end: Last night to fill in.
        config: Path of whyrec.toml on the worker; empty for the one in its working folder.
        only: "ingest" publishes drops and stops; "all" also re-derives effects and reports.
        force: Do finished nights again.
    """
    return conduct(  # type: ignore[return-value]
        config,
        lambda settings: run_backfill(settings, start, end, only=only, is_forced=force),
        steps=("backfill.nights",),
    )


@dataclass(frozen=True)
class PlannedNight:
    """A date of a backfill, what is to be done about it, and why."""

    day: date
    action: Literal["run", "keep", "skip"]
    why: str


def run_backfill(
    settings: Settings,
    start: date,
    end: date,
    *,
    only: Stage = "all",
    is_forced: bool = False,
) -> dict[str, Any]:
    """Backfill inside a flow run; raises NightError when a night did not end well."""
    drops = find_range(settings, start, end)
    answers: dict[str, Any] = {}
    documents = [
        *publish_range(settings, drops, answers, is_forced=is_forced),
    ]
    if only == "all":
        documents += run_range(settings, drops, start, end, answers, is_forced=is_forced)
    document = total_nights(documents, settings, end)
    show_backfill(document, settings)
    if document["exit_code"]:
        raise NightError(document)
    return document


def find_range(settings: Settings, start: date, end: date) -> list[DropRef]:
    """Drops of the range; raises ConfigError when the range is empty or turned round."""
    if start > end:
        raise ConfigError(f"--start {start} lies after --end {end}; swap them")
    return ingest.find_drops(settings, since=start, until=end)


def plan_backfill(
    settings: Settings, start: date, end: date, *, is_forced: bool = False
) -> list[PlannedNight]:
    """What a backfill of the range would do, date by date, without doing it."""
    drops = find_range(settings, start, end)
    night = open_night(settings, end, flow="backfill")
    stale = {drop.drop_date for drop in ingest.find_stale(drops, settings.ingest, night.run)}
    published = stages.list_published_days(night.run, end)
    return [
        plan_night(settings, day, drops, stale, published, is_forced=is_forced)
        for day in list_days(start, end)
    ]


def plan_night(
    settings: Settings,
    day: date,
    drops: Sequence[DropRef],
    stale: set[date | None],
    published: set[date],
    *,
    is_forced: bool,
) -> PlannedNight:
    """What a backfill would do about one date."""
    own = [drop for drop in drops if drop.drop_date == day]
    if not own and day not in published:
        return PlannedNight(day, "skip", "no drop was delivered and nothing is published for it")
    if is_forced:
        return PlannedNight(day, "run", "forced")
    if day in stale:
        return PlannedNight(day, "run", "a drop is new, changed, or not published as it should be")
    night = open_night(settings, day, flow="backfill")
    stages.note_accounts(night, own, {}, [])
    if find_unchanged(night) is None:
        return PlannedNight(day, "run", "no finished night of these drops, settings and code")
    return PlannedNight(day, "keep", "finished; nothing changed since")


def list_days(start: date, end: date) -> list[date]:
    """Every date from `start` to `end`, both included."""
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


def publish_range(
    settings: Settings,
    drops: Sequence[DropRef],
    answers: dict[str, Any],
    *,
    is_forced: bool,
) -> list[dict[str, Any]]:
    """Stage, check and publish the drops of all dates, many at once."""
    days = sorted({drop.drop_date for drop in drops if drop.drop_date is not None})
    documents = []
    for first in range(0, len(days), CHUNK_DAYS):
        chunk = set(days[first : first + CHUNK_DAYS])
        night = open_night(
            settings, max(chunk), flow="backfill", is_forced=is_forced, answers=answers
        )
        stages.ingest_drops(night, [drop for drop in drops if drop.drop_date in chunk])
        documents.append(describe_ingest(night))
    return documents


def describe_ingest(night: Night) -> dict[str, Any]:
    """The part of a backfill's account that publishing gave; errors are told by the nights."""
    return {
        "accounts": night.accounts,
        "tasks": count_states(read_events(Path(night.run.events))),
        "exit_code": night.exit_code,
        "messages": [str(error) for error in night.errors],
        "seconds": night.seconds,
        "report": None,
    }


def run_range(
    settings: Settings,
    drops: Sequence[DropRef],
    start: date,
    end: date,
    answers: dict[str, Any],
    *,
    is_forced: bool,
) -> list[dict[str, Any]]:
    """Every night of the range that has something to stand on, in order."""
    documents = []
    published: set[date] | None = None
    days = list_days(start, end)
    for number, day in enumerate(days):
        if tell := PROGRESS.get():
            tell("backfill.nights", number, len(days))
        night = open_night(settings, day, flow="backfill", is_forced=is_forced, answers=answers)
        published = stages.list_published_days(night.run, end) if published is None else published
        own = [drop for drop in drops if drop.drop_date == day]
        if own or day in published:
            documents.append(run_night(night, own))
    return documents


def total_nights(
    documents: Sequence[dict[str, Any]], settings: Settings, end: date
) -> dict[str, Any]:
    """One account of all nights: rows of every drop once, tasks added up, the last report."""
    accounts = {
        (row["source"], row["table"], row["drop_id"]): row
        for document in documents
        for row in document["accounts"]
    }
    names = documents[0]["tasks"] if documents else dict.fromkeys(count_states([]), 0)
    pages = [document for document in documents if document["report"]]
    codes = [document["exit_code"] for document in documents if document["exit_code"]]
    return {
        "flow": "backfill",
        "as_of": end,
        "nights": len(pages),
        "days": [
            {name: document[name] for name in ("as_of", "status", "seconds", "report")}
            for document in documents
            if "as_of" in document
        ],
        "rows": stages.total_rows(list(accounts.values())),
        "accounts": list(accounts.values()),
        "tasks": {name: sum(document["tasks"][name] for document in documents) for name in names},
        "snapshot": stages.read_snapshot(settings),
        "report": pages[-1]["report"] if pages else None,
        "seconds": round(sum(document["seconds"] for document in documents), 3),
        "exit_code": codes[0] if codes else 0,
        "messages": sorted({text for document in documents for text in document["messages"]}),
    }
