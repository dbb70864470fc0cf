"""Publication: one transaction makes the accepted rows of a drop visible, or leaves all as it was.

A published day is derived from the staged files of all current drops that touch it, never patched:
the table is a function of which drops there are. Re-delivery, correction, overlap of a bulk import
with nightly drops, and a crash followed by another attempt all end in the same rows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from tasks.platform.errors import StorageError
from tasks.platform.refs import StagedRef
from tasks.platform.schema import EVENT_TABLES, TableName
from tasks.platform.sql import read_sql
from tasks.platform.warehouse import fetch_dicts


@dataclass(frozen=True)
class Publication:
    """A staged drop on its way into the warehouse: its key, and where its two files lie."""

    staged: StagedRef
    drop_key: str
    quarantine_path: Path
    lake_root: Path
    checks: Sequence[Mapping[str, Any]]
    as_of: date


def is_current(connection: duckdb.DuckDBPyConnection, publication: Publication) -> bool:
    """True when the warehouse already holds exactly this version of the drop."""
    drop = publication.staged.drop
    rows = fetch_dicts(
        connection,
        read_sql("raw/drops_select"),
        {"source": drop.source, "table_name": drop.table},
    )
    known = any(
        row["drop_id"] == drop.drop_id
        and row["drop_key"] == publication.drop_key
        and row["staged_sha256"] == publication.staged.staged.sha256
        for row in rows
    )
    if not known:
        return False
    damaged = connection.execute(read_sql("clean/partitions_damaged")).fetchall()
    touched = {
        (drop.table, drop.source, date.fromisoformat(day)) for day in publication.staged.dates
    }
    return not touched & {tuple(row) for row in damaged}


def publish_rows(connection: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """Replace what depends on the drop: its days, its quarantine, its checks and every account."""
    drop = publication.staged.drop
    before = _find_dates(connection, publication)
    dates = sorted(before | {date.fromisoformat(day) for day in publication.staged.dates})
    _register_drop(connection, publication)
    _derive_table(connection, drop.table, drop.source, dates, publication.lake_root)
    _replace_quarantine(connection, publication)
    replace_checks(connection, publication)


def _find_dates(connection: duckdb.DuckDBPyConnection, publication: Publication) -> set[date]:
    """Days that the drop touched when it was last published."""
    drop = publication.staged.drop
    rows = fetch_dicts(
        connection,
        read_sql("raw/drops_select"),
        {"source": drop.source, "table_name": drop.table},
    )
    return {day for row in rows if row["drop_id"] == drop.drop_id for day in row["dates"] or ()}


def _register_drop(connection: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    staged, drop = publication.staged, publication.staged.drop
    identity = {"source": drop.source, "table_name": drop.table, "drop_id": drop.drop_id}
    connection.execute(read_sql("raw/drops_delete"), identity)
    connection.execute(
        read_sql("raw/drops_insert"),
        {
            **identity,
            "drop_date": drop.drop_date or max(map(date.fromisoformat, staged.dates), default=None),
            "kind": drop.kind,
            "origin": json.dumps(drop.files),
            "drop_key": publication.drop_key,
            "staged_path": staged.staged.path,
            "staged_sha256": staged.staged.sha256,
            "staged_size": staged.staged.size,
            "dates": sorted(map(date.fromisoformat, staged.dates)),
            "rows_read": staged.rows_read,
            "rows_quarantined": staged.rows_quarantined,
            "rows_repeated": staged.rows_repeated,
            "reasons": json.dumps(staged.reasons, sort_keys=True),
            "drift": json.dumps(staged.drift),
        },
    )


def _derive_table(
    connection: duckdb.DuckDBPyConnection,
    table: TableName,
    source: str,
    dates: list[date],
    lake_root: Path,
) -> None:
    """Derive the days `dates` (for items and users: the whole state) of one source anew."""
    is_event = table in EVENT_TABLES
    files = _find_staged_files(connection, table, source, dates if is_event else None, lake_root)
    scope: dict[str, Any] = {"source": source} | ({"dates": dates} if is_event else {})
    connection.execute(read_sql(f"clean/{table}_delete"), scope)
    if files:
        connection.execute(read_sql(f"clean/{table}_insert"), {**scope, "files": files})
    connection.execute(read_sql(f"raw/{table}_recount"), {"source": source})
    if is_event:
        _replace_partitions(connection, table, source, dates)


def _find_staged_files(
    connection: duckdb.DuckDBPyConnection,
    table: TableName,
    source: str,
    dates: list[date] | None,
    lake_root: Path,
) -> list[str]:
    """Staged files of all current drops that touch `dates`; raises StorageError if one is gone."""
    rows = fetch_dicts(
        connection, read_sql("raw/drops_select"), {"source": source, "table_name": table}
    )
    wanted = None if dates is None else set(dates)
    files = []
    for row in rows:
        if wanted is not None and not wanted & set(row["dates"] or ()):
            continue
        path = lake_root / row["staged_path"]
        if not path.is_file():
            raise StorageError(
                f"the staged rows of drop {row['drop_id']} of source {source} ({path}) are gone; "
                f"deliver that drop again ({row['origin']})"
            )
        files.append(str(path))
    return files


def _replace_partitions(
    connection: duckdb.DuckDBPyConnection, table: TableName, source: str, dates: list[date]
) -> None:
    scope = {"source": source, "dates": dates}
    found = connection.execute(read_sql(f"clean/{table}_fingerprints"), scope).fetchall()
    connection.execute(read_sql("clean/partitions_delete"), {**scope, "table_name": table})
    connection.execute(
        read_sql("clean/partitions_insert"),
        {
            "source": source,
            "table_name": table,
            "dates": [row[0] for row in found],
            "row_counts": [row[1] for row in found],
            "fingerprints": [row[2] for row in found],
        },
    )


def _replace_quarantine(connection: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    drop = publication.staged.drop
    connection.execute(
        read_sql(f"quarantine/{drop.table}_delete"),
        {"source": drop.source, "drop_id": drop.drop_id},
    )
    if publication.staged.rows_quarantined:
        connection.execute(
            read_sql(f"quarantine/{drop.table}_insert"),
            {"files": [str(publication.quarantine_path)]},
        )


def replace_checks(connection: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """Store the outcome of every expectation on this drop, published or stopped."""
    drop = publication.staged.drop
    identity = {"source": drop.source, "table_name": drop.table, "drop_id": drop.drop_id}
    connection.execute(read_sql("marts/quality_delete"), identity)
    checks = json.dumps(list(publication.checks))
    connection.execute(
        read_sql("marts/quality_insert"), {**identity, "as_of": publication.as_of, "checks": checks}
    )
