"""What became of deliveries, row by row: published, refused, repeated, held at the gate or withdrawn."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb

from tasks.ingest.publish import label_row, read_drops
from tasks.ingest.withdraw import read_withdrawn, tell_withdrawn
from tasks.platform.refs import DropRef, StagedRef
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext
from tasks.platform.warehouse import fetch_dicts

RECENT_DAYS = 7
"""Days whose drops a report accounts for."""
HELD = "message"
"""Field of an account row that says why the gate holds a delivery of it, or who withdrew it."""
WITHDRAWN = "withdrawn"


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
    is_held = HELD in row and row["status"] != WITHDRAWN
    return day <= as_of and (is_recent or is_held)


def account_recent(
    run: RunContext, as_of: date, *, since: date | None = None
) -> list[dict[str, Any]]:
    """Account rows of the dated drops that are published, taken back or held, newest first.

    They are those of the last days up to `as_of`; with `since`, of the last days up to any of
    [`since`, `as_of`]. What the gate holds is shown whatever its age, until it is mended.
    """
    first = (as_of if since is None else since) - timedelta(days=RECENT_DAYS - 1)
    with run.site.warehouse.connect() as connection:
        refused, withdrawn = read_refused(connection), read_withdrawn(connection)
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


def read_refused(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
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
    return {**_account_held(None), "status": WITHDRAWN, "message": tell_withdrawn(row)}


def forget_refused(delivered: Iterable[DropRef], run: RunContext, *, until: date) -> None:
    """Take the checks of stopped deliveries out that are no longer at their source.

    `delivered` are all drops that sources have up to `until`.
    """
    known = {drop.label for drop in delivered}
    with run.site.warehouse.connect() as connection:
        gone = sorted(
            label
            for label, row in read_refused(connection).items()
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
