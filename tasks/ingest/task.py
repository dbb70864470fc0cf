"""Ingest, as tasks: find drops, stage their rows, publish what passed the gate."""

import hashlib
import json
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tasks.ingest.deliveries import find_taken, name_import, name_old_import, tell_delivery
from tasks.ingest.drops import detect_table, drop_files, get_adapter, list_drops
from tasks.ingest.fingerprint import fingerprint_files
from tasks.ingest.publish import (
    Publication,
    count_gone,
    find_damaged,
    find_late,
    label_row,
    publish_rows,
    read_drops,
    replace_checks,
)
from tasks.ingest.stage import IngestOptions, Staged, stage_files
from tasks.ingest.withdraw import (
    leave_withdrawn,
    read_withdrawn,
    restore_withdrawn,
    tell_withdrawn,
)
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
from tasks.platform.schema import TABLES, TableName
from tasks.platform.settings import IngestSettings, Settings, SourceSettings
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext, describe_inputs, stage_task
from tasks.platform.warehouse import Warehouse, fetch_dicts

TRUTH_FILE = "truth.json"
RECENT_DAYS = 7
"""Days whose drops a report accounts for."""
HELD = "message"
"""Field of an account row that says why the gate holds a delivery of it."""
LATE_DAYS = 1
"""A drop of day d may hold rows dated up to d + 1: clocks and time zones differ."""
MAX_NAMED = 3
GONE_ADVICE = (
    "deleting a drop takes nothing back: put it back, deliver its day corrected, or take it back "
    "with 'whyrec withdraw'"
)
MANY_ROWS = 100_000
PUBLISH_MEMORY = "640MB"
"""Of DuckDB while it sorts more than MANY_ROWS rows into the warehouse; the rest goes to disk."""


def find_drops(settings: Settings, *, until: date, since: date | None = None) -> list[DropRef]:
    """Every dated drop of every enabled source in [`since`, `until`], in date order.

    Raises InputError when a source's folder does not exist.
    """
    found = []
    for source in settings.sources:
        if not source.is_enabled:
            continue
        root = locate_source(source, settings)
        for day in list_drops(root):
            if day <= until and (since is None or day >= since):
                found += _describe_drop(source, settings, f"{root}/{day.isoformat()}", day)
    return sorted(found, key=lambda drop: (drop.drop_id, drop.source, TABLES.index(drop.table)))


def _describe_drop(
    source: SourceSettings, settings: Settings, folder: str, day: date
) -> list[DropRef]:
    mapping = str(settings.root / source.mapping) if source.mapping else None
    by_table = drop_files(folder, source.kind)
    return [
        DropRef(
            source=source.name,
            kind=source.kind,
            table=table,
            drop_id=day.isoformat(),
            drop_date=day,
            fingerprint=fingerprint_files(files),
            mapping_fingerprint=fingerprint_files([Path(mapping)]) if mapping else "",
            files=tuple(str(file) for file in files),
            mapping=mapping,
        )
        for table, files in by_table.items()
    ]


def describe_import(
    path: str, *, kind: str, source: str, table: TableName | None, mapping: str | None
) -> DropRef:
    """The reference of a bulk file; its place identifies the delivery, whatever it holds by then.

    Without `table` the file itself tells. Raises InputError when it is no file.
    """
    require_file(path)
    return DropRef(
        source=source,
        kind=kind,
        table=table or detect_table(path, kind, Path(mapping) if mapping else None),
        drop_id=name_import(path),
        drop_date=None,
        fingerprint=fingerprint_files([path]),
        mapping_fingerprint=fingerprint_files([Path(mapping)]) if mapping else "",
        files=(path,),
        mapping=mapping,
    )


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
    """Sentences on what imports took from deliveries that were there `before`, and on empty files."""
    notes = []
    with run.site.warehouse.connect() as connection:
        after = read_drops(connection)
        for drop in drops:
            row, old = after.get(drop.label), before.get(drop.label)
            if row is None or (old is not None and old["drop_key"] == row["drop_key"]):
                continue
            gone = None if old is None else count_gone(connection, old, run.site.lake.root)
            notes += tell_delivery(row, old, gone, find_taken(row, before, after))
    return notes


def list_drop_dates(settings: Settings, *, until: date) -> list[date]:
    """Days up to `until` that any enabled source has a drop for."""
    days = {
        day
        for source in settings.sources
        if source.is_enabled
        for day in list_drops(locate_source(source, settings))
        if day <= until
    }
    return sorted(days)


def list_delivered(settings: Settings, *, until: date) -> set[str]:
    """Tables of the drops that enabled sources have, as source/drop_id/table; no file is read."""
    roots = {
        source: locate_source(source, settings) for source in settings.sources if source.is_enabled
    }
    return {
        label_delivery(source.name, day.isoformat(), table)
        for source, root in roots.items()
        for day in list_drops(root)
        if day <= until
        for table in drop_files(f"{root}/{day.isoformat()}", source.kind)
    }


def find_gone(
    delivered: Collection[str],
    settings: Settings,
    warehouse: Warehouse,
    *,
    until: date,
    since: date = date.min,
) -> list[tuple[str, str]]:
    """(source, drop id) of dated drops that are published and no longer whole at an enabled source.

    `delivered` is what sources have of [`since`, `until`], as source/drop_id/table. A source that is
    taken out of the settings is not asked after.
    """
    names = {source.name for source in settings.sources if source.is_enabled}
    with warehouse.connect() as connection:
        published = read_drops(connection)
    found = {
        (row["source"], row["drop_id"])
        for label, row in published.items()
        if row["source"] in names
        and row["drop_id"] == str(row["drop_date"])
        and since <= row["drop_date"] <= until
        and label not in delivered
    }
    return sorted(found)


def find_holes(
    gone: Sequence[tuple[str, str]], delivered: Collection[str]
) -> list[tuple[str, str]]:
    """Those of the `gone` drops of which a source still has older ones: it was not tidied up."""
    oldest: dict[str, str] = {}
    for label in sorted(delivered, reverse=True):
        source, drop_id, _ = label.rsplit("/", 2)
        oldest[source] = drop_id
    return [(source, drop_id) for source, drop_id in gone if drop_id >= oldest.get(source, "9")]


def tell_gone(gone: Sequence[tuple[str, str]]) -> str:
    """What it means that published drops are no longer at their source."""
    named = ", ".join(f"{source} {drop_id}" for source, drop_id in gone[:MAX_NAMED])
    more = f" and {len(gone) - MAX_NAMED:,} more" if len(gone) > MAX_NAMED else ""
    if len(gone) == 1:
        return f"one published drop is no longer at its source ({named}): its rows stay published"
    return (
        f"{len(gone):,} published drops are no longer at their source ({named}{more}): their rows "
        "stay published"
    )


def locate_source(source: SourceSettings, settings: Settings) -> str:
    """Path or URL of a source, relative paths taken from the folder of whyrec.toml."""
    return source.path if "://" in source.path else str(settings.root / source.path)


def read_truth(settings: Settings) -> list[dict[str, Any]]:
    """True effects of simulated sources, for the report to show beside the estimates."""
    rows = []
    for source in settings.sources:
        if source.is_enabled and source.kind == "sample":
            path = Path(locate_source(source, settings)) / TRUTH_FILE
            if path.is_file():
                rows += [{"source": source.name, **row} for row in list_truth(path)]
    return rows


def list_truth(path: Path) -> list[dict[str, Any]]:
    """Rows of attribute, contrast and value from a sample world's truth.json."""
    effects = json.loads(path.read_text(encoding="utf-8"))["effects"]
    return [
        {"attribute": attribute, "contrast": contrast, "value": value}
        for attribute, contrasts in sorted(effects.items())
        for contrast, value in sorted(contrasts.items())
    ]


def account_drops(
    drops: Sequence[DropRef],
    staged: Mapping[str, StagedRef],
    wrong: Mapping[str, tuple[str, bool]],
    run: RunContext,
) -> list[dict[str, Any]]:
    """One account row per drop: rows read, published, quarantined, duplicate, held, and its status.

    `staged` and `wrong` are keyed by "source/drop_id/table"; `wrong` holds an error in words and
    whether it was the gate's.
    """
    with run.site.warehouse.connect() as connection:
        known, withdrawn = read_drops(connection), read_withdrawn(connection)
    rows = []
    for drop in drops:
        label = drop.label
        base = {"source": drop.source, "table": drop.table, "drop_id": drop.drop_id}
        if label in wrong:
            message, is_gate = wrong[label]
            status = "stopped by gate" if is_gate else "failed"
            rows.append(
                {**base, **_account_held(staged.get(label)), "status": status, "message": message}
            )
        elif label in known:
            rows.append({**base, **_account_published(known[label]), "status": "published"})
        elif label in withdrawn:
            rows.append({**base, **_account_withdrawn(withdrawn[label])})
    return rows


def is_shown(row: Mapping[str, Any], as_of: date) -> bool:
    """Whether the report of `as_of` accounts for the drop of a row of `account_recent`."""
    day = date.fromisoformat(row["drop_id"])
    is_recent = as_of - timedelta(days=RECENT_DAYS) < day
    return day <= as_of and (is_recent or HELD in row)


def account_recent(
    run: RunContext, as_of: date, *, since: date | None = None
) -> list[dict[str, Any]]:
    """Account rows of the dated drops that are published, taken back or held, newest first.

    They are those of the last days up to `as_of`; with `since`, of the last days up to any of
    [`since`, `as_of`]. What the gate holds is shown whatever its age, until it is mended.
    """
    first = (as_of if since is None else since) - timedelta(days=RECENT_DAYS - 1)
    with run.site.warehouse.connect() as connection:
        refused, withdrawn = _read_refused(connection), read_withdrawn(connection)
        scope = {"first_date": first, "as_of": as_of, "labels": sorted(refused)}
        rows = fetch_dicts(connection, read_sql("raw/drops_recent"), scope)
    published = {label_row(row): row for row in rows}
    found = [
        {**_name_row(row), **_account_published(row), "status": "published"}
        | ({HELD: _tell_refused(refused[label], is_published=True)} if label in refused else {})
        for label, row in published.items()
    ]
    found += [
        {**_name_row(row), **_account_refused(row), "status": "stopped by gate"}
        for label, row in refused.items()
        if label not in published and row["drop_date"] is not None and row["drop_date"] <= as_of
    ]
    found += [
        {**_name_row(row), **_account_withdrawn(row)}
        for label, row in withdrawn.items()
        if label not in published
        and label not in refused
        and row["drop_id"] == str(row["drop_date"])
        and first <= row["drop_date"] <= as_of
    ]
    found.sort(key=lambda row: (row["source"], row["table"]))
    return sorted(found, key=lambda row: str(row["drop_id"]), reverse=True)


def _name_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"source": row["source"], "table": row["table_name"], "drop_id": row["drop_id"]}


def _read_refused(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Deliveries that the gate stopped and nothing replaced since, by label."""
    rows = fetch_dicts(connection, read_sql("marts/quality_refused"))
    return {label_row(row): row for row in rows}


def _tell_refused(row: Mapping[str, Any], *, is_published: bool) -> str:
    """Why a delivery is held; beside one that `is_published`, what readers see meanwhile."""
    more = f", and {row['n_failed'] - 1} more critical checks failed" if row["n_failed"] > 1 else ""
    why = f"{row['expectation']} (found {row['observed']}, allowed {row['allowed']}){more}"
    if not is_published:
        return why
    return f"A newer delivery is held at the gate: {why}. The rows of the earlier one stay."


def _account_refused(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the warehouse knows of a drop that was never published: its rows that were checked."""
    held = {"rows_read": row["n_rows"], "rows_held": row["n_rows"]}
    message = {HELD: _tell_refused(row, is_published=False)}
    return {**_account_held(None), **held, **message}


def _account_withdrawn(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of a drop that was taken back: nobody reads its rows."""
    return {**_account_held(None), "status": "withdrawn", "message": tell_withdrawn(row)}


def forget_refused(delivered: Iterable[DropRef], run: RunContext, *, until: date) -> None:
    """Take the checks of stopped deliveries out that are no longer at their source.

    `delivered` are all drops that sources have up to `until`.
    """
    known = {drop.label for drop in delivered}
    with run.site.warehouse.connect() as connection:
        gone = sorted(
            label
            for label, row in _read_refused(connection).items()
            if row["drop_date"] is not None and row["drop_date"] <= until and label not in known
        )
    if gone:
        run.site.warehouse.commit(
            lambda connection: (
                connection.execute(read_sql("marts/quality_delete"), {"labels": gone}) and None
            ),
            message=f"checks of {len(gone)} stopped deliveries that are gone",
            extra={"run_id": run.run_id},
        )


def _account_held(ref: StagedRef | None) -> dict[str, Any]:
    if ref is None:
        return {
            "rows_read": 0,
            "rows_published": 0,
            "rows_quarantined": 0,
            "rows_duplicate": 0,
            "rows_held": 0,
        }
    return {
        "rows_read": ref.rows_read,
        "rows_published": 0,
        "rows_quarantined": ref.rows_quarantined,
        "rows_duplicate": ref.rows_repeated,
        "rows_held": ref.rows,
        "reasons": ref.reasons,
        "drift": list(ref.drift),
    }


def _account_published(row: Mapping[str, Any]) -> dict[str, Any]:
    counts = ("rows_read", "rows_published", "rows_quarantined", "rows_duplicate")
    return {
        **{name: row[name] for name in counts},
        "rows_held": 0,
        "reasons": json.loads(row["reasons"]),
        "drift": json.loads(row["drift"]),
    }


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
        short = _find_short_states(connection)
        refused = _read_refused(connection)
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


def _find_short_states(connection: object) -> set[tuple[str, str]]:
    """Tables of latest state that hold other rows than their drops account for."""
    live, expected = (
        {
            (row["table_name"], row["source"]): row["row_count"]
            for row in fetch_dicts(connection, read_sql(name))  # type: ignore[arg-type]
        }
        for name in ("clean/state_counts", "raw/state_expected")
    )
    return {
        key for key in live.keys() | expected.keys() if live.get(key, 0) != expected.get(key, 0)
    }


@stage_task("ingest")
def stage_drop(drop: DropRef, settings: IngestSettings, latest: date, run: RunContext) -> StagedRef:
    """Read one table of a drop into accepted and refused rows, kept as two files of the lake."""
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
    return f". The refused rows are kept in {lake.root / ref.path}"


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
        refused = _read_refused(connection)
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


def read_quarantine(ref: FileRef, run: RunContext, *, limit: int = 5) -> list[dict[str, object]]:
    """A few refused rows, for the page of a failing run."""
    frame: pl.DataFrame = run.site.lake.read_frame(ref)
    return frame.head(limit).to_dicts()


def require_file(path: str) -> None:
    """Raise InputError unless `path` is a file that can be opened (or a URL)."""
    if "://" in path:
        return
    if not Path(path).exists():
        raise InputError(f"there is no file at {path}; check the path")
    if Path(path).is_dir():
        raise InputError(
            f"{path} is a folder; give the file to import, or list it as a source in whyrec.toml"
        )
