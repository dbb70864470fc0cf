"""The weekly sweep: every attack on every target at once, so that nights need not wait for their turn."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows import attack_stages, recommend_stages, stages
from flows.artifacts import show_sweep
from flows.attack_stages import Attacked, Pair
from flows.conduct import conduct, label_sweep, name_sweep, rename_run
from flows.engine import describe_failure
from flows.night import choose_day, open_night
from flows.nightly import WORKERS, AsOf, Config, list_steps
from flows.recommend_stages import find_refit_day
from flows.state import Night, NightError
from tasks.platform.errors import InputError
from tasks.platform.periods import merge_periods
from tasks.platform.refs import FileRef
from tasks.platform.runs import count_states, read_events, write_json
from tasks.platform.settings import Settings
from tasks.robustness import task as robustness

SWEEP_FILE = "sweep.json"
COUNTS = ("attempted", "succeeded", "failed", "skipped", "not_attempted")


@flow(
    name="sweep",
    flow_run_name=name_sweep,
    task_runner=ThreadPoolTaskRunner(max_workers=WORKERS),  # type: ignore[arg-type]
    persist_result=False,
)
def sweep(as_of: AsOf = None, config: Config = None) -> dict[str, Any]:
    """Try every attack on every target on last Sunday's reviews; the nights of the week show it.

    Args:
        as_of: Last date the sweep may see; empty for the newest day with data.
        config: Path of whyrec.toml on the worker; empty for the one in its working folder.
    """
    return conduct(  # type: ignore[return-value]
        config, lambda settings: run_sweep(settings, as_of), steps=list_steps()
    )


def run_sweep(settings: Settings, as_of: date | None) -> dict[str, Any]:
    """One sweep inside a flow run; raises NightError when some attack could not be carried out.

    What was found is published and kept all the same. Raises InputError where there is nothing to
    attack.
    """
    day = choose_day(settings, as_of)
    if as_of is None:
        rename_run(label_sweep(day.isoformat()))
    night = open_night(settings, day, flow="sweep")
    files = {attacked.source: attack_all(night, attacked) for attacked in list_targets(night)}
    attack_stages.publish(night, [file for own in files.values() for file in own])
    document = describe_sweep(night, files)
    write_json(Path(night.run.events).with_name(SWEEP_FILE), document)
    show_sweep(document)
    if document["exit_code"]:
        raise NightError(document)
    return document


def list_targets(night: Night) -> list[Attacked]:
    """What is attacked of each source, out of what the nights have read; raises InputError for none."""
    periods = stages.plan_periods(night)
    joined = merge_periods(periods, night.as_of, min_rows=night.settings.text.shard_texts)
    stages.embed_texts(night, joined.values())
    read = stages.extract_attributes(night, joined)
    attributes = {period: read[joined[period]] for period in periods}
    texts = stages.embed_items(night, periods)
    prepared = recommend_stages.prepare_recommenders(night, periods, texts)
    found = attack_stages.list_attacked(night, periods, attributes, prepared)
    if not found:
        least = night.settings.robustness.min_reviews
        raise InputError(
            f"nothing to attack: no source has {least:,} reviews up to {find_refit_day(night.as_of)}, "
            "the Sunday before; run 'whyrec nightly' or 'whyrec import' first, name a later --as-of, "
            "or lower robustness.min_reviews"
        )
    return found


def attack_all(night: Night, attacked: Attacked) -> list[FileRef]:
    """Every pair on one source, and a note of it for the week's nights if all could be tried."""
    n_errors = len(night.errors)
    files = attack_stages.try_pairs(night, attacked, list_all(night))
    if len(night.errors) == n_errors:
        call = {
            "source": attacked.source, "until": find_refit_day(night.as_of), "as_of": night.as_of,
            "key": attack_stages.make_sweep_key(night, attacked), "files": tuple(files),
        }  # fmt: skip
        night.engine.require(robustness.record_sweep, {attacked.source: call})
    return files


def list_all(night: Night) -> list[Pair]:
    """Every pair, and those that are skipped with a reason."""
    return [*attack_stages.list_pairs(night), *attack_stages.list_idle(night)]


def describe_sweep(night: Night, files: Mapping[str, Sequence[FileRef]]) -> dict[str, Any]:
    """The account of a sweep: counts by surface, every attack, what defences saved, who looks fake."""
    tables = gather_rows(night, files)
    events = read_events(Path(night.run.events))
    return {
        "run_id": night.run.run_id,
        "flow": night.flow,
        "as_of": night.as_of,
        "until": find_refit_day(night.as_of),
        "status": night.status,
        "exit_code": night.exit_code,
        "messages": [describe_failure(error) for error in night.errors],
        "pairs": [list(pair) for pair in list_all(night)],
        "counts": count_surfaces(tables["attacks"]),
        **tables,
        "tasks": count_states(events),
        "events": [vars(event) for event in events],
        "seconds": night.seconds,
    }


def gather_rows(night: Night, files: Mapping[str, Sequence[FileRef]]) -> dict[str, list[Any]]:
    """The rows of all files by table, `detail` and `note` as JSON values."""
    tables: dict[str, list[Any]] = {name: [] for name in robustness.TABLES}
    for own in files.values():
        for file in own:
            for name, rows in json.loads(night.site.lake.read_bytes(file)).items():
                tables[name] += [read_row(row) for row in rows]
    return tables


def read_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose JSON columns are values."""
    return {
        name: json.loads(value) if name in ("detail", "note") and value else value
        for name, value in row.items()
    }


def count_surfaces(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Totals of `COUNTS` by surface; attempted = succeeded + failed."""
    surfaces = sorted({row["surface"] for row in rows})
    return {
        surface: {
            name: sum(row[name] for row in rows if row["surface"] == surface) for name in COUNTS
        }
        for surface in surfaces
    }
