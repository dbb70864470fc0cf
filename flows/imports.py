"""The import flow: bulk history in one go, through the same staging, gate and publication."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows import stages
from flows.artifacts import show_account, show_report
from flows.conduct import conduct
from flows.forms import Emptied, shown
from flows.night import open_night
from flows.nightly import Config
from flows.state import Night, NightError
from tasks.ingest import sources
from tasks.ingest import task as ingest
from tasks.platform.refs import DropRef
from tasks.platform.runs import count_states, read_events
from tasks.platform.schema import TableName
from tasks.platform.settings import Settings, SourceKind
from tasks.quality import task as quality

TASKS = (ingest.stage_drop, quality.check_drop, ingest.publish_drops)


@flow(
    name="import",
    flow_run_name="import {path} as {source}",
    task_runner=ThreadPoolTaskRunner(max_workers=2),  # type: ignore[arg-type]
    persist_result=False,
)
def import_history(
    path: Annotated[str, shown("File", "Path or URL of the file to import", min_length=1)],
    source: Annotated[SourceKind, shown("Kind", "Format of the file")],
    name: Annotated[Emptied, shown("Source name", "Empty: the kind")] = None,
    items: Annotated[Emptied, shown("Items file", "Item metadata, if any")] = None,
    table: Annotated[TableName | None, shown("Table", "Empty: found out")] = None,
    mapping: Annotated[Emptied, shown("Mapping file", "For kind 'mapping'")] = None,
    config: Config = None,
) -> dict[str, Any]:
    """Read a file of history, refuse what is malformed, check the rest and publish it.

    Args:
        path: Path or URL of the file to import, as the worker sees it.
        source: Format of the file.
        name: Name of the source in the warehouse; empty for its format.
        items: File of item metadata, if there is one.
        table: Table that the file holds; empty to find out from the file.
        mapping: TOML file that names the columns, for files of format "mapping".
        config: Path of whyrec.toml on the worker; empty for the one in its working folder.
    """

    def work(settings: Settings) -> dict[str, Any]:
        return run_import(
            settings, path, source, name=name, items=items, table=table, mapping=mapping
        )

    return conduct(config, work, steps=[task.name for task in TASKS])  # type: ignore[return-value]


def run_import(
    settings: Settings,
    path: str,
    kind: SourceKind,
    *,
    name: str | None = None,
    items: str | None = None,
    table: TableName | None = None,
    mapping: str | None = None,
) -> dict[str, Any]:
    """Import inside a flow run; raises NightError when a file was not published."""
    files = [(path, table)] + ([(items, "items")] if items else [])
    drops = [
        sources.describe_import(file, kind=kind, source=name or kind, table=wanted, mapping=mapping)
        for file, wanted in files
    ]
    night = open_night(settings, datetime.now(UTC).date(), flow="import")
    publish_files(night, ingest.keep_old_ids(drops, night.run))
    document = describe_import(night)
    show_account(document)
    show_report(document, settings)
    if document["exit_code"]:
        raise NightError(document)
    return document


def publish_files(night: Night, drops: list[DropRef]) -> None:
    """Stage, check and publish; every file that fails is an error of the run.

    What the files replace, and what others already delivered, is noted. Who imports a file again that
    was taken back wants it again.
    """
    before = ingest.read_deliveries(night.run)
    ingest.restore_asked(drops, night.run)
    stages.ingest_drops(night, drops, is_all_counted=True)
    night.notes = ingest.tell_imports(drops, before, night.run)


def describe_import(night: Night) -> dict[str, Any]:
    """The account of an import, in the shape of a night's."""
    events = read_events(Path(night.run.events))
    document = {
        **night.describe(),
        "flow": "import",
        "as_of": night.as_of,
        "status": night.status,
        "exit_code": night.exit_code,
        "messages": [*map(str, night.errors), *night.notes],
        "started_at": night.started_at,
        "rows": stages.total_rows(night.accounts),
        "accounts": night.accounts,
        "tasks": count_states(events),
        "report": None,
        "night_key": None,
        "seconds": night.seconds,
    }
    document["snapshot"] = stages.record_run(night, document)
    return document
