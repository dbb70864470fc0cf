"""Marts: replaced part by part, and checked against what they should hold.

A part is a range of days of one source. `marts.published` says which content a part should hold;
what it really holds is counted. A part whose content or count is off is published anew; all others
are left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any, Literal, get_args

import duckdb

from tasks.platform.refs import PublishedRef
from tasks.platform.sql import read_sql
from tasks.platform.warehouse import Warehouse, fetch_dicts

MartName = Literal[
    "review_attributes", "effects", "effect_refutations", "causal_graph", "recommendations",
    "recommender_quality", "attacks", "attack_examples", "defences", "nights",
    "effect_changes",
]  # fmt: skip


@dataclass(frozen=True)
class MartPart:
    """What a part should hold: the rows of the Parquet file at `path`, whose hash is `fingerprint`."""

    table: MartName
    source: str
    start: date
    end: date
    fingerprint: str
    rows: int
    path: str

    @property
    def identity(self) -> tuple[str, str, date, date, str]:
        """What tells this part, with this content, from any other."""
        return self.table, self.source, self.start, self.end, self.fingerprint

    @property
    def scope(self) -> dict[str, Any]:
        """Parameters that name this part in statements."""
        return {"source": self.source, "start_date": self.start, "end_date": self.end}


_read_identity = itemgetter("table_name", "source", "start_date", "end_date", "fingerprint")
"""`MartPart.identity` of a row of `count_published`."""


def find_unpublished(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[MartPart]
) -> list[MartPart]:
    """The parts whose published rows are absent, of other content, or not as many as they should be."""
    if not parts:
        return []
    first = min(part.start for part in parts)
    last = max(part.end for part in parts)
    scope = {"first": first, "last": last, "tables": sorted({part.table for part in parts})}
    held = set(connection.execute(read_sql("marts/published_names"), scope).fetchall())
    # rows are counted only where that can matter: on a new night there is nothing to count
    if counted := sorted({part.table for part in parts if part.identity in held}):
        rows = count_published(connection, since=first, first=first, last=last, tables=counted)
        held = {_read_identity(row) for row in rows if row["live_count"] == row["row_count"]}
    return [part for part in parts if part.identity not in held]


def count_published(
    connection: duckdb.DuckDBPyConnection,
    *,
    since: date,
    first: date,
    last: date,
    tables: Sequence[MartName] = get_args(MartName),
) -> list[dict[str, Any]]:
    """Published parts of nights in [`first`, `last`], and of reviews in [`since`, `last`].

    Tables that are not asked for are not looked at. Each part has `row_count`, the rows that it should
    hold, and `live_count`, those that it holds.
    """
    scope = {"since": since, "first": first, "last": last, "tables": list(tables)}
    return fetch_dicts(connection, read_sql("marts/published_select"), scope)


def list_compared(
    connection: duckdb.DuckDBPyConnection, *, since: date, until: date
) -> list[tuple[date, list[str]]]:
    """What the nights from `since` up to `until` may be compared with: (night, [table, source, hash])."""
    rows = connection.execute(
        read_sql("marts/published_compared"), {"since": since, "until": until}
    ).fetchall()
    return [(day, [table, source, fingerprint]) for day, table, source, fingerprint in rows]


def select_compared(parts: Sequence[tuple[date, list[str]]], day: date) -> list[list[str]]:
    """Those parts that the night of `day` is compared with: of the newest earlier one with effects."""
    nights = [night for night, (table, *_) in parts if night < day and table == "effects"]
    newest = max(nights, default=None)
    return [[str(night), *part] for night, part in parts if night == newest]


def commit_parts(
    warehouse: Warehouse, parts: Sequence[MartPart], *, message: str, extra: Mapping[str, Any]
) -> PublishedRef:
    """Replace those of `parts` that are not as they should be, in one transaction."""
    warehouse.commit(
        lambda connection: publish_parts(connection, find_unpublished(connection, parts)),
        message=message,
        extra=extra,
    )
    return PublishedRef(snapshot=warehouse.read_snapshot(), rows=sum(part.rows for part in parts))


def publish_parts(connection: duckdb.DuckDBPyConnection, parts: Sequence[MartPart]) -> None:
    """Replace every part; to be called inside one transaction."""
    for part in parts:
        connection.execute(read_sql(f"marts/{part.table}_delete"), part.scope)
        named = {**part.scope, "table_name": part.table}
        connection.execute(read_sql("marts/published_delete"), named)
        connection.execute(
            read_sql("marts/published_insert"),
            {**named, "fingerprint": part.fingerprint, "row_count": part.rows},
        )
    by_table: dict[str, list[str]] = {}
    for part in parts:
        if part.rows:
            by_table.setdefault(part.table, []).append(part.path)
    for table, paths in by_table.items():
        connection.execute(read_sql(f"marts/{table}_insert"), {"files": paths})
