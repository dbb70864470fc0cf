"""The backfill flow: the same night over past dates, missing ones only unless forced."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.task_runners import ThreadPoolTaskRunner

from flows import stages
from flows.artifacts import show_backfill
from flows.backfill_plan import (
    Finished,
    PlannedNight,
    find_range,
    plan_backfill,
    plan_nights,
)
from flows.backfill_record import Progress, Request, record_backfill
from flows.conduct import conduct
from flows.console import PROGRESS
from flows.forms import shown
from flows.night import Stage, open_night, run_night
from flows.nightly import Config, Force
from flows.server.workers import hire
from flows.state import Night, NightError, choose_code, name_drop
from tasks.ingest import accounts
from tasks.ingest import task as ingest
from tasks.platform.refs import DropRef
from tasks.platform.runs import STATES, count_states, read_events
from tasks.platform.settings import Settings
from tasks.platform.site import resolve_site

CHUNK_DAYS = 30
"""Days whose drops are staged together; bounds what is held in memory."""
MAX_CONCURRENCY = 64
ENGINE_NIGHTS = 10
"""So many nights share one engine of the warehouse: a new one is slow at first, an old one has grown."""


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
        shown(
            "Stage",
            "How far nights go: 'ingest' publishes drops and stops, 'all' ends with the report",
        ),
    ] = "all",
    force: Force = False,
    concurrency: Annotated[
        int,
        shown("Concurrency", "Tasks at a time", ge=1, le=MAX_CONCURRENCY),
    ] = 4,
    dry_run: Annotated[bool, shown("Dry run", "Only say what would run, and why")] = False,
    reason: Annotated[str, shown("Reason", "Why; kept in marts.backfills", max_length=500)] = "",
) -> dict[str, Any]:
    """Run the nightly function over past dates; days that are whole already cost next to nothing.

    Args:
        start: First night to fill in.
        end: Last night to fill in.
        config: Path of whyrec.toml on the worker; empty for the one in its working folder.
        only: How far nights go: a stage and what it needs, or "all".
        force: Do finished nights again.
        concurrency: Tasks at a time.
        dry_run: Only say what would run, and why.
        reason: Why; kept in marts.backfills beside who, when and what came of it.
    """
    request = Request(start, end, only, force, concurrency, reason)

    def work(settings: Settings) -> dict[str, Any]:
        if dry_run:
            return show_plan(settings, request)
        with hire(settings, threads=concurrency):
            return run_backfill(settings, request)

    return conduct(config, work, steps=("backfill.nights",))  # type: ignore[return-value]


def show_plan(settings: Settings, request: Request) -> dict[str, Any]:
    """What a backfill would do, as its answer and as a table on the run's page."""
    plan = plan_backfill(settings, request.start, request.end, is_forced=request.is_forced)
    document = describe_plan(plan)
    rows = [{name: str(part) for name, part in night.items()} for night in document["nights"]]
    create_table_artifact(
        key="backfill-plan", table=rows, description="What this backfill would do, and why"
    )
    return document


def describe_plan(plan: Sequence[PlannedNight]) -> dict[str, Any]:
    """A plan as JSON: dates with what would be done and why, and how many of each."""
    actions = [night.action for night in plan]
    return {
        "flow": "backfill",
        "is_dry_run": True,
        "counts": {name: actions.count(name) for name in ("run", "keep", "skip")},
        "nights": [vars(night) for night in plan],
    }


def run_backfill(settings: Settings, request: Request) -> dict[str, Any]:
    """Backfill inside a flow run; raises NightError when a night did not end well."""
    drops = find_range(settings, request.start, request.end, is_forced=request.is_forced)
    site = resolve_site(settings)
    site.warehouse.prepare()
    with record_backfill(site, request) as progress:
        answers: dict[str, Any] = {}
        documents = publish_range(settings, request, drops, answers)
        if request.stage != "ingest":
            documents += run_range(settings, request, drops, answers, progress)
        document = total_nights(documents, settings, request, drops)
        document |= {"run": progress.run, "kept": progress.kept, "skipped": progress.skipped}
        show_backfill(document, settings)
        if document["exit_code"]:
            raise NightError(document)
    return document


def publish_range(
    settings: Settings, request: Request, drops: Sequence[DropRef], answers: dict[str, Any]
) -> list[dict[str, Any]]:
    """Stage, check and publish the drops of all dates, many at once."""
    night = open_night(settings, request.end, flow="backfill")
    is_forced = request.is_forced
    stale = ingest.find_stale(drops, settings.ingest, night.run, is_forced=is_forced)
    days = sorted({drop.drop_date for drop in stale if drop.drop_date is not None})
    documents = []
    for first in range(0, len(days), CHUNK_DAYS):
        chunk = set(days[first : first + CHUNK_DAYS])
        night = open_night(
            settings, max(chunk), flow="backfill", is_forced=request.is_forced, answers=answers
        )
        stages.ingest_drops(
            night,
            [drop for drop in stale if drop.drop_date in chunk],
            # nights tell of the errors of their own drops; without nights nobody else would
            is_all_counted=request.stage == "ingest",
        )
        documents.append(describe_ingest(night))
        night.engine.forget_unused()
    return documents


def describe_ingest(night: Night) -> dict[str, Any]:
    """The part of a backfill's account that publishing gave: no night, so that it has no date."""
    return {
        "status": night.status,
        "accounts": night.accounts,
        "tasks": count_states(read_events(Path(night.run.events))),
        "exit_code": night.exit_code,
        "messages": [str(error) for error in night.errors],
        "seconds": night.seconds,
        "report": None,
    }


def run_range(
    settings: Settings,
    request: Request,
    drops: Sequence[DropRef],
    answers: dict[str, Any],
    progress: Progress,
) -> list[dict[str, Any]]:
    """Every night of the range that has something to stand on and is not finished, in order."""
    finished = Finished(settings, request.start, request.end)
    stale = ingest.find_stale(drops, settings.ingest, finished.night.run)
    plan = plan_nights(finished, drops, stale, is_forced=request.is_forced)
    documents = []
    for number, planned in enumerate(plan):
        if tell := PROGRESS.get():
            tell("backfill.nights", number, len(plan))
        if planned.action == "skip":
            progress.skipped += 1
        elif planned.action == "keep" and (before := finished.find(planned.day)) is not None:
            documents.append(keep_night(before))
            progress.kept += 1
        else:
            own = [drop for drop in drops if drop.drop_date == planned.day]
            documents.append(run_one(settings, request, planned.day, own, answers))
            finished.look_again()
            progress.run += 1
            if progress.run % ENGINE_NIGHTS == 0:
                finished.night.site.warehouse.let_go()
    return documents


def run_one(
    settings: Settings,
    request: Request,
    day: date,
    own: Sequence[DropRef],
    answers: dict[str, Any],
) -> dict[str, Any]:
    """One night of a backfill; what is known of its tasks is kept for the next."""
    night = open_night(settings, day, flow="backfill", is_forced=request.is_forced, answers=answers)
    document = summarise(run_night(night, own, only=request.stage))
    night.engine.forget_unused()
    return document


def keep_night(before: dict[str, Any]) -> dict[str, Any]:
    """The account of a finished night that was left alone: all of its tasks count as cached."""
    tasks = before["tasks"]
    held = dict.fromkeys(STATES, 0)
    held["cached"] = tasks["ran"] + tasks["cached"] + tasks["retried"]
    return summarise({**before, "tasks": held, "seconds": 0.0})


def summarise(document: dict[str, Any]) -> dict[str, Any]:
    """What a total needs of one night; a year of whole accounts would fill the memory."""
    names = (
        "as_of", "status", "accounts", "tasks", "exit_code", "messages", "seconds", "report",
    )  # fmt: skip
    return {name: document[name] for name in names}


def total_nights(
    documents: Sequence[dict[str, Any]],
    settings: Settings,
    request: Request,
    drops: Sequence[DropRef],
) -> dict[str, Any]:
    """One account of all nights: rows of every drop once, tasks added up, the last report."""
    run = open_night(settings, request.end, flow="backfill").run
    rows = accounts.account_drops(drops, {}, {}, run)
    by_drop = {name_drop(row): row for row in rows}
    # a drop that was not published at first may be by the night that tries again
    last = {name_drop(row): row for document in documents for row in document["accounts"]}
    by_drop |= {name: row for name, row in last.items() if row["status"] != "published"}
    pages = [document for document in documents if document["report"]]
    codes = [document["exit_code"] for document in documents if document["exit_code"]]
    bad = [document["status"] for document in documents if document["exit_code"]]
    return {
        "flow": "backfill",
        "as_of": request.end,
        "status": "failed" if "failed" in bad else (bad[0] if bad else "completed"),
        "nights": len(pages),
        "days": [
            {name: document[name] for name in ("as_of", "status", "seconds", "report")}
            for document in documents
            if "as_of" in document
        ],
        "rows": stages.total_rows(list(by_drop.values())),
        "accounts": list(by_drop.values()),
        "tasks": {name: sum(document["tasks"][name] for document in documents) for name in STATES},
        "snapshot": stages.read_snapshot(settings),
        "report": pages[-1]["report"] if pages else None,
        "seconds": round(sum(document["seconds"] for document in documents), 3),
        "exit_code": choose_code(codes),
        "messages": sorted({text for document in documents for text in document["messages"]}),
    }
