"""Ingest, as tasks: stage the rows of drops, publish what passed the gate, leave the rest as it was."""

import hashlib
import json
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from tasks.ingest.accounts import read_refused
from tasks.ingest.deliveries import (
    find_taken,
    name_import,
    name_old_import,
    tell_delivery,
    tell_twins,
)
from tasks.ingest.drops import get_adapter
from tasks.ingest.publish import (
    Publication,
    count_gone,
    find_damaged,
    find_late,
    find_short_states,
    publish_rows,
    read_drops,
    replace_checks,
)
from tasks.ingest.stage import IngestOptions, Staged, stage_files
from tasks.ingest.withdraw import leave_withdrawn, read_withdrawn, restore_withdrawn
from tasks.platform.code import hash_function_code
from tasks.platform.errors import GateError, InputError, SchemaError, TooManyBadRowsError
from tasks.platform.lake import Lake
from tasks.platform.refs import (
    DropRef,
    FileRef,
    GateRef,
    PastDay,
    PublishedRef,
    StagedRef,
    label_delivery,
)
from tasks.platform.settings import IngestSettings
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext, describe_inputs, stage_task
from tasks.platform.warehouse import fetch_dicts

LATE_DAYS = 1
"""A drop of day d may hold rows dated up to d + 1: clocks and time zones differ."""
MANY_ROWS = 100_000
PUBLISH_MEMORY = "640MB"
"""Of DuckDB while it sorts more than MANY_ROWS rows into the warehouse; the rest goes to disk."""


def keep_old_ids(drops: Sequence[DropRef], run: RunContext) -> list[DropRef]:
    """The same imports, each by the id that the warehouse knows its file by.

    Earlier versions named a delivery by the file's name alone; one of the same place is the same.
    """
    with run.site.warehouse.connect() as connection:
        known = read_drops(connection)
    kept = []
    for drop in drops:
        old = name_old_import(drop.drop_id)
        row = known.get(label_delivery(drop.source, old, drop.table))
        places = json.loads(row["origin"]) if row else []
        is_same = [name_import(place) for place in places] == [drop.drop_id]
        kept.append(drop.model_copy(update={"drop_id": old}) if is_same else drop)
    return kept


def read_deliveries(run: RunContext) -> dict[str, dict[str, Any]]:
    """What the warehouse holds of every delivery, by "source/drop_id/table"."""
    with run.site.warehouse.connect() as connection:
        return read_drops(connection)


def restore_asked(drops: Iterable[DropRef], run: RunContext) -> None:
    """Let those of the drops be published that were taken back."""
    with run.site.warehouse.connect() as connection:
        withdrawn = read_withdrawn(connection)
    if labels := [drop.label for drop in drops if drop.label in withdrawn]:
        restore_withdrawn(run.site, labels, now=datetime.now(UTC))


def tell_imports(
    drops: Sequence[DropRef], before: Mapping[str, Mapping[str, Any]], run: RunContext
) -> list[str]:
    """Sentences on imports: what they took from deliveries that were there `before`, empty and twin files."""
    notes = []
    with run.site.warehouse.connect() as connection:
        after = read_drops(connection)
        for drop in drops:
            row, old = after.get(drop.label), before.get(drop.label)
            if row is None or (old is not None and old["drop_key"] == row["drop_key"]):
                continue
            gone = None if old is None else count_gone(connection, old, run.site.lake.root)
            notes += tell_delivery(row, old, gone, find_taken(row, before, after))
    return notes + tell_twins([drop.label for drop in drops], after)


def find_twins(labels: Collection[str], run: RunContext) -> list[str]:
    """Sentences on deliveries whose very files are published under another source too."""
    return tell_twins(labels, read_deliveries(run))


def make_drop_key(drop: DropRef, settings: IngestSettings) -> str:
    """What decides whether a published drop is still right: its files, the settings, the code."""
    document = {
        "drop": describe_inputs(drop),
        "settings": describe_inputs(settings),
        "code": [hash_function_code(stage_drop.fn), hash_function_code(publish_drops.fn)],
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def find_stale(
    drops: Iterable[DropRef], settings: IngestSettings, run: RunContext, *, is_forced: bool = False
) -> list[DropRef]:
    """The drops whose published rows are absent, damaged, or from other files, settings or code.

    So are those of which the gate stopped a later delivery: their own checks are to be stored again.
    With `is_forced` all are. Files that somebody took back never are.
    """
    with run.site.warehouse.read_together() as connection:
        known = read_drops(connection)
        asked = leave_withdrawn(drops, read_withdrawn(connection))
        if is_forced:
            return asked
        found = [known.get(drop.label) for drop in asked]
        damaged = find_damaged(
            connection, [day for row in found if row for day in row["dates"] or ()]
        )
        short = find_short_states(connection)
        refused = read_refused(connection)
    stale = []
    for drop in asked:
        row = known.get(drop.label)
        if (
            row is None
            or drop.label in refused
            or row["drop_key"] != make_drop_key(drop, settings)
            or (drop.table, drop.source) in short
            or any((drop.table, drop.source, day) in damaged for day in row["dates"] or ())
            or not run.site.lake.is_intact(
                FileRef(
                    path=row["staged_path"], sha256=row["staged_sha256"], size=row["staged_size"]
                )
            )
        ):
            stale.append(drop)
    return stale


@stage_task("ingest")
def stage_drop(drop: DropRef, settings: IngestSettings, latest: date, run: RunContext) -> StagedRef:
    """Read one table of a drop into accepted and refused rows, kept as two files of the lake."""
    if drop.problem:
        raise InputError(drop.problem)
    options = IngestOptions(
        max_bad_share=settings.max_bad_share,
        max_line_bytes=settings.max_line_bytes,
        earliest=date(settings.earliest_year, 1, 1),
        latest=latest,
        mask_contacts=settings.mask_contacts,
        user_id_key=settings.user_id_key.get_secret_value().encode()
        if settings.user_id_key
        else None,
    )
    lake = run.site.lake
    lake.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".stage-", dir=lake.root) as folder:
        work = Path(folder)
        paths = (work / "staged.parquet", work / "quarantine.parquet")
        try:
            staged = stage_files(
                drop.files,
                adapter=get_adapter(drop.kind, Path(drop.mapping) if drop.mapping else None),
                table=drop.table,
                source=drop.source,
                drop_id=drop.drop_id,
                options=options,
                staged_path=paths[0],
                quarantine_path=paths[1],
                work_dir=work,
            )
        except (SchemaError, TooManyBadRowsError) as error:
            raise type(error)(f"{error}{_keep_refused(lake, paths[1])}") from error
        return _keep_staged(lake, drop, staged, *paths)


def _keep_refused(lake: Lake, refused: Path) -> str:
    """Keep the refused rows of a drop that was refused whole; a sentence that says where."""
    if not refused.is_file():
        return ""
    ref = lake.put_file("refused", ".parquet", lambda draft: (refused.replace(draft), 0)[1])
    return f". The refused rows, each with line and reason, are kept in {lake.root / ref.path}"


def _keep_staged(
    lake: Lake, drop: DropRef, staged: Staged, accepted: Path, refused: Path
) -> StagedRef:
    def move(path: Path, rows: int) -> FileRef:
        return lake.put_file(
            f"staging/{drop.table}", ".parquet", lambda draft: (path.replace(draft), rows)[1]
        )

    return StagedRef(
        drop=drop,
        staged=move(accepted, staged.rows_staged),
        quarantine=move(refused, staged.rows_quarantined),
        rows_read=staged.rows_read,
        rows_repeated=staged.rows_duplicate,
        rows_quarantined=staged.rows_quarantined,
        reasons=dict(staged.reasons),
        drift=tuple(staged.drift),
        dates=dict(staged.dates),
        rows=staged.rows_staged,
        profile=staged.profile,
    )


def latest_date(drop: DropRef, today: date) -> date:
    """The last event date that a row of the drop may carry."""
    return (drop.drop_date or today) + timedelta(days=LATE_DAYS)


def _describe_publication(
    staged: StagedRef, gate: GateRef, settings: IngestSettings, as_of: date, run: RunContext
) -> Publication:
    lake = run.site.lake
    lake.locate(staged.staged)
    return Publication(
        staged=staged,
        drop_key=make_drop_key(staged.drop, settings),
        quarantine_path=lake.locate(staged.quarantine),
        lake_root=lake.root,
        checks=json.loads(lake.read_bytes(gate.report))["checks"],
        as_of=as_of,
    )


@stage_task("ingest", is_cached=False)
def publish_drops(
    staged: tuple[StagedRef, ...],
    gates: tuple[GateRef, ...],
    settings: IngestSettings,
    as_of: date,
    run: RunContext,
) -> PublishedRef:
    """Make the rows of drops that passed the gate visible, all in one transaction."""
    publications = [
        _describe_publication(ref, gate, settings, as_of, run)
        for ref, gate in zip(staged, gates, strict=True)
    ]

    def write(connection: duckdb.DuckDBPyConnection) -> None:
        if late := find_late(connection, publications):
            publish_rows(connection, late)
        refused = read_refused(connection)
        if back := [part for part in publications if part.label in refused]:
            replace_checks(connection, back)

    warehouse = run.site.warehouse
    rows = sum(ref.rows for ref in staged)
    warehouse.commit(
        write,
        memory_limit=PUBLISH_MEMORY if rows > MANY_ROWS else None,
        message=f"{len(staged)} deliveries up to {max(ref.drop.drop_id for ref in staged)}",
        extra={
            "run_id": run.run_id,
            "drops": [[r.drop.source, r.drop.drop_id, r.drop.table] for r in staged],
        },
    )
    return PublishedRef(snapshot=warehouse.read_snapshot(), rows=rows)


@stage_task("ingest", is_cached=False)
def refuse_drop(
    staged: StagedRef, gate: GateRef, settings: IngestSettings, as_of: date, run: RunContext
) -> None:
    """Store the checks of a drop that the gate stopped; what was published before stays.

    Raises GateError with the failing check in words.
    """
    publication = _describe_publication(staged, gate, settings, as_of, run)
    run.site.warehouse.commit(
        lambda connection: replace_checks(connection, [publication]),
        message=f"checks of stopped drop {staged.drop.drop_id} of {staged.drop.source}",
        extra={"run_id": run.run_id},
    )
    raise GateError(gate.sentence)


def read_history(run: RunContext) -> dict[tuple[str, str], dict[str, PastDay]]:
    """(source, table) -> drop date -> what is remembered of it, for every dated drop published."""
    with run.site.warehouse.connect() as connection:
        rows = fetch_dicts(connection, read_sql("raw/drops_history"))
    history: dict[tuple[str, str], dict[str, PastDay]] = {}
    for row in rows:
        days = history.setdefault((row["source"], row["table_name"]), {})
        days[row["drop_id"]] = PastDay(rows=row["row_count"], profile=row["profile"] or "{}")
    return history


def remember_day(ref: StagedRef) -> PastDay:
    """What later drops are compared with, of one that this run staged."""
    return PastDay(rows=ref.rows, profile=json.dumps(ref.profile))


def trim_history(history: Mapping[str, PastDay], drop: DropRef, *, days: int) -> dict[str, PastDay]:
    """The part of a drop's history that its gate looks at: drops of the `days` days before it."""
    if drop.drop_date is None:
        return {}
    first = (drop.drop_date - timedelta(days=days)).isoformat()
    return {day: past for day, past in history.items() if first <= day < drop.drop_id}
