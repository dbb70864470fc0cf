"""Taking a published delivery back: its rows leave, and the same files are not taken again.

A day is derived from the deliveries that touch it, so a day without one of them is what it would have
been had that one never come. Nights that stood on it are made anew by a backfill.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from tasks.ingest.deliveries import name_file
from tasks.ingest.publish import label_row, read_drops, unpublish_rows
from tasks.platform.errors import InputError
from tasks.platform.refs import DropRef
from tasks.platform.site import Site
from tasks.platform.sql import read_sql
from tasks.platform.warehouse import fetch_dicts

MAX_SHOWN = 3


@dataclass(frozen=True)
class Withdrawal:
    """What is taken back or restored of one delivery: rows by table, and the dates they are of."""

    source: str
    drop_id: str
    rows: dict[str, int]
    dates: tuple[date, ...] = ()
    labels: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_dated(self) -> bool:
        """Whether it is a drop of a date, not an import."""
        return name_file(self.drop_id) is None


def read_withdrawn(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Tables of deliveries that were taken back and not restored, by "source/drop_id/table"."""
    rows = fetch_dicts(connection, read_sql("raw/withdrawals_select"))
    return {label_row(row): row for row in rows}


def leave_withdrawn(
    drops: Iterable[DropRef], withdrawn: Mapping[str, Mapping[str, Any]]
) -> list[DropRef]:
    """The drops but for those whose very files were taken back; a corrected delivery is none of them."""
    return [drop for drop in drops if not is_withdrawn(drop, withdrawn.get(drop.label))]


def is_withdrawn(drop: DropRef, row: Mapping[str, Any] | None) -> bool:
    """Whether the files of `drop` are among those of a withdrawal, where there is one."""
    return row is not None and drop.fingerprint in row["fingerprints"]


def tell_withdrawn(row: Mapping[str, Any]) -> str:
    """Who took a table of a delivery back, when and why."""
    why = f": {row['reason']}" if row["reason"] else ""
    by = f"by {row['asked_by']} on {row['withdrawn_at']:%Y-%m-%d}"
    return f"{row['rows_published']:,} rows taken back {by}{why}"


def plan_withdrawal(site: Site, source: str, named: str) -> Withdrawal:
    """What taking the delivery `named` back would take; raises InputError where it is not published.

    `named` is a date, or the file name or whole id of an import.
    """
    with site.warehouse.connect() as connection:
        known = read_drops(connection).values()
    rows = _find_named(known, source, named)
    days = {day for row in rows for day in row["dates"] or ()}
    return Withdrawal(
        source=source,
        drop_id=rows[0]["drop_id"],
        rows={row["table_name"]: row["rows_published"] for row in rows},
        dates=tuple(sorted(days)),
        labels=tuple(label_row(row) for row in rows),
    )


def withdraw(site: Site, plan: Withdrawal, *, asked_by: str, reason: str, now: datetime) -> None:
    """Take a delivery back, in one transaction."""

    def write(connection: duckdb.DuckDBPyConnection) -> None:
        known = read_drops(connection)
        rows = [known[label] for label in plan.labels if label in known]
        values = {"asked_by": asked_by, "reason": reason, "withdrawn_at": now}
        labels = [label_row(row) for row in rows]
        connection.execute(read_sql("raw/withdrawals_insert"), {**values, "labels": labels})
        unpublish_rows(connection, rows, Path(site.lake.root))

    site.warehouse.commit(write, message=f"{plan.source} {plan.drop_id} taken back by {asked_by}")


def plan_restoration(site: Site, source: str, named: str) -> Withdrawal:
    """The withdrawal that is to be undone; raises InputError where there is none."""
    with site.warehouse.connect() as connection:
        known = read_withdrawn(connection).values()
    rows = _find_named(known, source, named, verb="taken back")
    return Withdrawal(
        source=source,
        drop_id=rows[0]["drop_id"],
        rows={row["table_name"]: row["rows_published"] for row in rows},
        labels=tuple(label_row(row) for row in rows),
    )


def restore_withdrawn(site: Site, labels: Sequence[str], *, now: datetime) -> None:
    """Let deliveries be published again; the next night that sees their files does it."""
    site.warehouse.commit(
        lambda connection: (
            connection.execute(
                read_sql("raw/withdrawals_restore"), {"labels": list(labels), "restored_at": now}
            )
            and None
        ),
        message=f"{', '.join(labels)} may be published again",
    )


def _find_named(
    known: Iterable[Mapping[str, Any]], source: str, named: str, *, verb: str = "published"
) -> list[Mapping[str, Any]]:
    """The tables of the one delivery of `source` that `named` names."""
    everything = list(known)
    own = [row for row in everything if row["source"] == source]
    if not own:
        names = sorted({row["source"] for row in everything})
        listed = f"sources with any are {', '.join(names)}" if names else "nor of any other"
        raise InputError(f"no delivery of a source {source!r} is {verb}; {listed}")
    found = [row for row in own if named in (row["drop_id"], name_file(row["drop_id"]))]
    ids = sorted({row["drop_id"] for row in found})
    if len(ids) > 1:
        raise InputError(f"{named} names {len(ids)} deliveries; name one of {', '.join(ids)}")
    if not ids:
        newest = sorted({row["drop_id"] for row in own}, reverse=True)
        more = f" and {len(newest) - MAX_SHOWN:,} more" if len(newest) > MAX_SHOWN else ""
        raise InputError(
            f"no delivery {named!r} of {source} is {verb}; there are {', '.join(newest[:MAX_SHOWN])}{more}"
        )
    return found
