"""One night, whoever asks for it: the schedule, a button, a command or a backfill."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import duckdb

from flows import attack_stages, effect_stages, recommend_stages, stages
from flows.alerts import send_alerts
from flows.engine import Engine
from flows.state import Night, hash_json
from tasks.effects.choose import hash_gold
from tasks.ingest import sources
from tasks.platform.code import hash_function_code
from tasks.platform.errors import ConfigError, TransientError
from tasks.platform.marts import list_compared, select_compared
from tasks.platform.periods import merge_periods
from tasks.platform.refs import DropRef, FileRef, ReportRef
from tasks.platform.runs import (
    count_states,
    make_run_id,
    read_events,
    read_json,
    write_json,
)
from tasks.platform.settings import Settings
from tasks.platform.site import resolve_site
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext, describe_inputs
from tasks.report import task as report

RUN_FILE = "run.json"
UNKEYED = {"paths", "warehouse", "run", "root", "serve", "alerts", "retention"}
"""Settings that cannot change what a night concludes."""
MERGE_DAY = 1
"""Weekday, 1 to 7, whose night leaves the warehouse with few files."""
Stage = Literal["ingest", "text", "effects", "recommend", "attacks", "all"]
"""How far a night goes."""


def open_night(
    settings: Settings,
    as_of: date,
    *,
    flow: str = "nightly",
    is_forced: bool = False,
    answers: dict[str, Any] | None = None,
) -> Night:
    """Prepare the warehouse and an event log for a run."""
    site = resolve_site(settings)
    site.warehouse.prepare()
    run_id = make_run_id()
    events = Path(site.reports_root) / "runs" / run_id / "events.jsonl"
    run = RunContext(run_id=run_id, events=str(events), site=site, text=settings.text)
    engine = Engine(run=run, answers={} if answers is None else answers)
    return Night(
        as_of=as_of, settings=settings, site=site, engine=engine, flow=flow, is_forced=is_forced
    )


def find_today(settings: Settings, now: datetime) -> date:
    """The date of `now`, in UTC or in the time zone of the schedules, whichever is further on."""
    return max(now.date(), now.astimezone(ZoneInfo(settings.serve.timezone)).date())


def refuse_future(day: date, today: date, *, option: str = "--as-of") -> None:
    """Raise ConfigError for a night that lies ahead: it would stand before all others as the newest."""
    if day > today:
        raise ConfigError(
            f"{option} {day} lies in the future (today is {today}), and nothing of it can have been "
            "delivered; name a date up to today, or none for the newest day with data"
        )


def choose_day(settings: Settings, as_of: date | None) -> date:
    """The date of a night: `as_of`, or else the newest day that something was delivered for.

    A drop may hold rows dated on the day after it (clocks and time zones differ): that one's own night
    comes with its own drop. Raises ConfigError when `as_of` lies ahead or before all data, or when there
    is none.
    """
    today = find_today(settings, datetime.now(UTC))
    if as_of is not None:
        refuse_future(as_of, today)
    delivered, published = find_days(settings, today)
    if not delivered | published:
        raise ConfigError(
            "there is nothing to read: no source in whyrec.toml has a drop, and nothing was imported; "
            "add [[sources]] to whyrec.toml, run 'whyrec import FILE --source KIND', or try 'whyrec demo'"
        )
    first = min(delivered | published)
    if as_of is not None and as_of < first:
        raise ConfigError(
            f"--as-of {as_of} lies before all data: the first day that something was delivered for, or "
            f"published, is {first}; name a date from there on, or none for the newest"
        )
    return as_of or max(delivered or published)


def find_days(settings: Settings, today: date) -> tuple[set[date], set[date]]:
    """Days up to `today` that something was delivered for, and days that rows are published of."""
    site = resolve_site(settings)
    site.warehouse.prepare()
    delivered = set(sources.list_drop_dates(settings, until=today))
    with site.warehouse.connect() as connection:
        known, published = (
            connection.execute(read_sql(name), {"as_of": today}).fetchall()
            for name in ("raw/days_delivered", "clean/partitions_select")
        )
    return delivered | {row[0] for row in known}, {row[2] for row in published}


def run_night(
    night: Night, drops: Sequence[DropRef] | None = None, *, only: Stage = "all"
) -> dict[str, Any]:
    """Everything one night does, in order; the answer is what run.json holds.

    With `only` it stops after that stage: what the stage needs is done, and no report is written.
    """
    try:
        stages.ingest_drops(night, drops)
        note_state(night)
        if (before := find_unchanged(night)) is not None:
            return repeat_night(night, before)
        page = None if only == "ingest" else derive_night(night, only)
    except Exception as error:
        night.errors.append(error)
        close_night(night, None)
        raise
    return close_night(night, page)


def derive_night(night: Night, only: Stage) -> ReportRef | None:
    """What a night concludes from published data; its report, where it goes so far."""
    periods = stages.plan_periods(night)
    joined = merge_periods(periods, night.as_of, min_rows=night.settings.text.shard_texts)
    stages.embed_texts(night, joined.values())
    read = stages.extract_attributes(night, joined)
    attributes = {period: read[joined[period]] for period in periods}
    if only == "text":
        return None
    examples = stages.choose_examples(night, read)
    texts = stages.embed_items(night, periods)
    prepared = recommend_stages.prepare_recommenders(night, periods, texts)
    if only == "attacks":
        attack_stages.attack_night(night, periods, attributes, prepared)
        return None
    users = {source: part.users for source, part in prepared.items()}
    verdicts = effect_stages.conclude_effects(night, periods, attributes, texts, users)
    if only == "effects":
        return None
    recommenders = recommend_stages.conclude_recommenders(night, prepared, attributes, verdicts)
    if only == "recommend":
        return None
    attacks = attack_stages.attack_night(night, periods, attributes, prepared)
    return stages.write_report(night, verdicts, examples, recommenders, attacks)


@dataclass(frozen=True)
class KeyParts:
    """What decides the answers of nights: what holds for any (`shared`), and the drops by date.

    `drops` are (date or None, source, table, drop id, content); `weeks` gives what a night would show
    of its week's sweeps and earlier weeks.
    """

    shared: dict[str, Any]
    drops: list[tuple[Any, ...]]
    weeks: Callable[[date], list[list[str]]]


def read_key_parts(night: Night) -> KeyParts:
    """What the keys of the nights up to the night's own date are made of."""
    drops = night.once(("drops",), lambda: list_drops(night))
    shared = {
        "settings": night.settings.model_dump(mode="json", exclude=UNKEYED),
        "model": describe_inputs(stages.choose_model(night)),
        "extractor": describe_inputs(stages.choose_extractor(night)),
        "gold": night.gold_path and hash_gold(night.gold_path),
        "code": [hash_function_code(task.fn) for task in stages.CACHED_TASKS],
    }
    return KeyParts(
        shared=shared,
        drops=drops,
        weeks=lambda day: attack_stages.list_weeks(night, recommend_stages.find_refit_day(day)),
    )


def find_key(
    parts: KeyParts,
    day: date,
    compared: Sequence[list[str]],
    recent: Sequence[dict[str, Any]],
) -> str:
    """What decides the answer of the night of `day`: its date, the drops up to it, settings, code.

    So do `compared`, what the night before it published, and `recent`, the rows of its report's
    account of drops.
    """
    document = {
        **parts.shared,
        "as_of": day.isoformat(),
        "drops": [row[1:] for row in parts.drops if row[0] is None or row[0] <= day],
        "recent": recent,
        "compared": compared,
        "weeks": parts.weeks(day),
    }
    return hash_json(document)


def list_drops(night: Night) -> list[tuple[Any, ...]]:
    """Published drops that the night can see, as `KeyParts` has them."""
    with night.site.warehouse.connect() as connection:
        return connection.execute(read_sql("raw/drops_known"), {"as_of": night.as_of}).fetchall()


def note_state(night: Night) -> None:
    """Keep what the night's key hangs on as it is before anything is derived from it.

    What others publish meanwhile is then not in the key, and the night is made anew the next time.
    """
    night.once(("drops",), lambda: list_drops(night))
    night.n_ingest_remarks = len(night.remarks)
    with night.site.warehouse.connect() as connection:
        parts = list_compared(connection, since=night.as_of, until=night.as_of)
    night.compared = select_compared(parts, night.as_of)


def make_night_key(night: Night) -> str:
    """The key of one night."""
    parts = read_key_parts(night)
    return find_key(parts, night.as_of, night.compared, night.recent)


def find_unchanged(night: Night) -> dict[str, Any] | None:
    """The account of an earlier run of this very night, if all that it made is still there."""
    if night.is_forced or read_events(Path(night.run.events)):
        return None
    before = read_json(night.site.night_folder(night.as_of) / RUN_FILE)
    if before is None or before.get("night_key") != make_night_key(night):
        return None
    lake = night.site.lake
    if not all(lake.is_intact(FileRef(**ref)) for ref in before["files"]):
        return None
    if not stages.are_marts_whole(night.run, night.as_of):
        return None
    return before


def repeat_night(night: Night, before: dict[str, Any]) -> dict[str, Any]:
    """Answer for a night of which nothing changed: all of its tasks count as cached.

    What a channel did not take of it the last time is told again, as are its remarks.
    """
    tasks = dict.fromkeys(before["tasks"], 0)
    tasks["cached"] = (
        before["tasks"]["ran"] + before["tasks"]["cached"] + before["tasks"]["retried"]
    )
    page = ReportRef(**before["report_ref"])
    report.lay_out(page, night.as_of, night.run)
    document = {
        **before,
        "messages": [*night.messages, *before.get("remarks", [])],
        "run_id": night.run.run_id,
        "flow": night.flow,
        "tasks": tasks,
        "seconds": night.seconds,
        "started_at": night.started_at,
        "exit_code": night.exit_code,
        "report": str(night.site.night_folder(night.as_of) / report.PAGE),
        "repeats": before.get("repeats") or before["run_id"],
        "events": [{**event, "state": "cached", "seconds": 0.0} for event in before["events"]],
    }
    document["alerts"] = send_alerts(night, document)
    write_json(Path(night.run.events).with_name(RUN_FILE), document)
    return document


def close_night(night: Night, page: ReportRef | None) -> dict[str, Any]:
    """Write run.json, the line in marts.runs and, for a whole night, the index of nights."""
    events = read_events(Path(night.run.events))
    totals = stages.total_rows(night.accounts)
    document = {
        **night.describe(),
        "flow": night.flow,
        "as_of": night.as_of,
        "status": night.status,
        "exit_code": night.exit_code,
        "messages": night.messages,
        "remarks": night.remarks[night.n_ingest_remarks :],
        "started_at": night.started_at,
        "rows": totals,
        "accounts": night.accounts,
        "tasks": count_states(events),
        "events": [vars(event) for event in events],
        "text": night.text_cost,
        "report": str(night.site.night_folder(night.as_of) / report.PAGE) if page else None,
        "report_ref": page.model_dump() if page else None,
        **(report.read_summary(page, night.run) if page else {}),
        "files": [ref.model_dump() for ref in night.files.values()],
        "night_key": make_night_key(night) if page and not night.errors else None,
        "seconds": night.seconds,
    }
    document["snapshot"] = stages.record_run(night, document)
    document["alerts"] = send_alerts(night, document)
    if page is not None:
        document["messages"] += tidy_warehouse(night)
    document["snapshots"] = {"read": night.snapshot_read, "published": document["snapshot"]}
    write_json(Path(night.run.events).with_name(RUN_FILE), document)
    if page is not None:
        write_json(night.site.night_folder(night.as_of) / RUN_FILE, document)
        report.write_index(night.run)
    return document


def tidy_warehouse(night: Night) -> list[str]:
    """Make few files of many, once a week; in words, what was in the way: the night itself is done."""
    if night.as_of.isoweekday() != MERGE_DAY:
        return []
    try:
        night.site.warehouse.merge_files()
    except (TransientError, duckdb.Error) as error:
        return [
            f"the warehouse's small files were not merged ({error}); nothing is lost; the next "
            "night of a Monday does it, or 'whyrec prune' today"
        ]
    return []
