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
from tasks.platform.refs import StagedRef, label_delivery
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

    @property
    def label(self) -> str:
        """What names the drop's table in the warehouse: source/drop_id/table."""
        return self.staged.drop.label

    @property
    def identity(self) -> dict[str, str]:
        """The same as columns."""
        drop = self.staged.drop
        return {"source": drop.source, "table_name": drop.table, "drop_id": drop.drop_id}

    @property
    def days(self) -> set[date]:
        """Event dates of the accepted rows."""
        return set(map(date.fromisoformat, self.staged.dates))


def read_drops(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """All published drops by label."""
    everything = {"source": None, "table_name": None}
    rows = fetch_dicts(connection, read_sql("raw/drops_select"), everything)
    return {label_row(row): row for row in rows}


def label_row(row: Mapping[str, Any]) -> str:
    """See `label_delivery`; of a row of the warehouse."""
    return label_delivery(row["source"], row["drop_id"], row["table_name"])


def find_damaged(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date]
) -> set[tuple[str, str, date]]:
    """(table, source, day) of those of `days` whose published rows are not as many as accounted for.

    Only the span of `days` is counted, so that a night's cost does not grow with history.
    """
    if not days:
        return set()
    span = {"first": min(days), "last": max(days)}
    return {
        tuple(row)
        for row in connection.execute(read_sql("clean/partitions_damaged"), span).fetchall()
    }


def find_short_states(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """(table, source) of latest states that hold other rows than their drops account for."""
    live, expected = (
        {
            (row["table_name"], row["source"]): row["row_count"]
            for row in fetch_dicts(connection, read_sql(name))
        }
        for name in ("clean/state_counts", "raw/state_expected")
    )
    return {
        key for key in live.keys() | expected.keys() if live.get(key, 0) != expected.get(key, 0)
    }


def count_gone(
    connection: duckdb.DuckDBPyConnection, row: Mapping[str, Any], lake_root: Path
) -> int | None:
    """Rows that the delivery `row` of raw.drops had accepted and that nobody publishes any more.

    None where its staged file is gone already.
    """
    path = lake_root / row["staged_path"]
    if not path.is_file():
        return None
    scope = {"source": row["source"], "path": str(path)}
    found = connection.execute(read_sql(f"clean/{row['table_name']}_gone"), scope).fetchone()
    return int(found[0]) if found else 0


def find_late(
    connection: duckdb.DuckDBPyConnection, publications: Sequence[Publication]
) -> list[Publication]:
    """Those that the warehouse does not already hold in exactly this version, undamaged."""
    known = read_drops(connection)
    damaged = find_damaged(connection, [day for part in publications for day in part.days])
    short = find_short_states(connection)

    def is_held(part: Publication) -> bool:
        row, drop = known.get(part.label), part.staged.drop
        return (
            row is not None
            and row["drop_key"] == part.drop_key
            and row["staged_sha256"] == part.staged.staged.sha256
            and (drop.table, drop.source) not in short
            and not any((drop.table, drop.source, day) in damaged for day in part.days)
        )

    return [part for part in publications if not is_held(part)]


def publish_rows(
    connection: duckdb.DuckDBPyConnection, publications: Sequence[Publication]
) -> None:
    """Publish many drops at once: their days, their quarantine, their checks and every account.

    To be called inside one transaction; each day of each table is derived once, however many of the
    drops touch it.
    """
    known = read_drops(connection)
    touched: dict[tuple[TableName, str], set[date]] = {}
    for part in publications:
        days = touched.setdefault((part.staged.drop.table, part.staged.drop.source), set())
        days |= part.days | set(known.get(part.label, {}).get("dates") or ())
    _register_drops(connection, publications)
    _replace_quarantine(connection, publications)
    replace_checks(connection, publications)
    for (table, source), days in touched.items():
        _derive_table(connection, table, source, sorted(days), publications[0].lake_root)


def unpublish_rows(
    connection: duckdb.DuckDBPyConnection, drops: Sequence[Mapping[str, Any]], lake_root: Path
) -> None:
    """Take the deliveries `drops`, rows of raw.drops, out: their days are derived without them.

    What other deliveries brought of the same rows becomes visible. To be called inside one transaction.
    """
    labels = {"labels": [label_row(row) for row in drops]}
    connection.execute(read_sql("raw/drops_delete"), labels)
    connection.execute(read_sql("marts/quality_delete"), labels)
    touched: dict[tuple[TableName, str], set[date]] = {}
    for row in drops:
        days = touched.setdefault((row["table_name"], row["source"]), set())
        days |= set(row["dates"] or ())
    for (table, source), days in touched.items():
        connection.execute(read_sql(f"quarantine/{table}_delete"), labels)
        _derive_table(connection, table, source, sorted(days), lake_root)


def _register_drops(
    connection: duckdb.DuckDBPyConnection, publications: Sequence[Publication]
) -> None:
    labels = {"labels": [part.label for part in publications]}
    connection.execute(read_sql("raw/drops_delete"), labels)
    for part in publications:
        staged, drop = part.staged, part.staged.drop
        connection.execute(
            read_sql("raw/drops_insert"),
            {
                **part.identity,
                "drop_date": drop.drop_date or max(part.days, default=None),
                "kind": drop.kind,
                "origin": json.dumps(drop.files),
                "drop_key": part.drop_key,
                "staged_path": staged.staged.path,
                "staged_sha256": staged.staged.sha256,
                "staged_size": staged.staged.size,
                "dates": sorted(part.days),
                "rows_read": staged.rows_read,
                "rows_quarantined": staged.rows_quarantined,
                "rows_repeated": staged.rows_repeated,
                "reasons": json.dumps(staged.reasons, sort_keys=True),
                "drift": json.dumps(staged.drift),
                "profile": json.dumps(staged.profile) if staged.profile else None,
                "fingerprint": drop.fingerprint,
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
    if files and is_event:
        for macro in ("staging/macro_review_key", f"clean/{table}_keys"):
            connection.execute(read_sql(macro))
        find = {**scope, "table_name": table, "files": files}
        connection.execute(read_sql("clean/replaced_find"), find)
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


def _replace_quarantine(
    connection: duckdb.DuckDBPyConnection, publications: Sequence[Publication]
) -> None:
    for table in sorted({part.staged.drop.table for part in publications}):
        own = [part for part in publications if part.staged.drop.table == table]
        connection.execute(
            read_sql(f"quarantine/{table}_delete"), {"labels": [part.label for part in own]}
        )
        files = [str(part.quarantine_path) for part in own if part.staged.rows_quarantined]
        if files:
            connection.execute(read_sql(f"quarantine/{table}_insert"), {"files": files})


def replace_checks(
    connection: duckdb.DuckDBPyConnection, publications: Sequence[Publication]
) -> None:
    """Store the outcome of every expectation on these drops, published or stopped."""
    labels = {"labels": [part.label for part in publications]}
    connection.execute(read_sql("marts/quality_delete"), labels)
    for part in publications:
        connection.execute(
            read_sql("marts/quality_insert"),
            {**part.identity, "as_of": part.as_of, "checks": json.dumps(list(part.checks))},
        )
