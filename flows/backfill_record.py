"""Who asked for a backfill, when, why and how it ended: a line in marts.backfills from its start on.

A running backfill holds a file lock that dies with it, so that the next one can tell the killed from
the living on this host. Backfills of other hosts are left alone.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from flows.engine import describe_failure
from flows.night import Stage
from flows.state import NightError
from tasks.platform.locks import is_held, try_lock
from tasks.platform.runs import make_run_id, name_asker
from tasks.platform.site import Site
from tasks.platform.sql import read_sql

KILLED = "killed or lost before it ended; found by a later backfill"
MAX_MESSAGE = 2000


@dataclass(frozen=True)
class Request:
    """A backfill as it was asked for."""

    start: date
    end: date
    stage: Stage = "all"
    is_forced: bool = False
    concurrency: int = 4
    reason: str = ""


@dataclass
class Progress:
    """Nights of a backfill so far, by what became of them."""

    run: int = 0
    kept: int = 0
    skipped: int = 0
    clock: float = field(default_factory=time.monotonic)


@contextmanager
def record_backfill(site: Site, request: Request) -> Iterator[Progress]:
    """Keep the account of the body in marts.backfills, also when it fails or the process is killed."""
    backfill_id, progress = make_run_id(), Progress()
    handle = try_lock(_lock_path(site, backfill_id), timeout_s=None)
    close_killed(site)
    open_record(site, backfill_id, request)
    try:
        yield progress
    except BaseException as error:
        close_record(site, backfill_id, progress, *describe_end(error))
        raise
    else:
        close_record(site, backfill_id, progress, "completed", "")
    finally:
        if handle is not None:
            os.close(handle)
        _lock_path(site, backfill_id).unlink(missing_ok=True)


def describe_end(error: BaseException) -> tuple[str, str]:
    """Status and message of a backfill that `error` ended."""
    if isinstance(error, NightError):
        return str(error.document.get("status") or "failed"), str(error)
    if isinstance(error, Exception):
        return "failed", describe_failure(error)
    return "interrupted", type(error).__name__


def open_record(site: Site, backfill_id: str, request: Request) -> None:
    """Write the line of a backfill that starts now."""
    values = {
        **vars(request), "backfill_id": backfill_id, "started_at": datetime.now(UTC),
        "asked_by": name_asker(),
    }  # fmt: skip
    _commit(site, "marts/backfills_insert", values, f"backfill {backfill_id} started")


def close_record(
    site: Site, backfill_id: str, progress: Progress | None, status: str, message: str
) -> None:
    """Complete the line of a backfill; without `progress` nobody knows how far it came."""
    values = {
        "backfill_id": backfill_id, "status": status, "message": message[:MAX_MESSAGE],
        "ended_at": datetime.now(UTC),
        "nights_run": progress and progress.run, "nights_kept": progress and progress.kept,
        "nights_skipped": progress and progress.skipped,
        "seconds": progress and round(time.monotonic() - progress.clock, 3),
    }  # fmt: skip
    _commit(site, "marts/backfills_close", values, f"backfill {backfill_id}: {status}")


def close_killed(site: Site) -> None:
    """Mark the backfills of this host that were left running as interrupted."""
    with site.warehouse.connect() as connection:
        rows = connection.execute(read_sql("marts/backfills_running")).fetchall()
    host = "@" + socket.gethostname()
    for backfill_id, asked_by in rows:
        path = _lock_path(site, backfill_id)
        if not str(asked_by).endswith(host) or is_held(path):
            continue
        close_record(site, backfill_id, None, "interrupted", KILLED)
        path.unlink(missing_ok=True)


def _lock_path(site: Site, backfill_id: str) -> Path:
    return Path(site.cache_root) / "backfills" / f"{backfill_id}.lock"


def _commit(site: Site, statement: str, values: dict[str, Any], message: str) -> None:
    site.warehouse.commit(
        lambda connection: connection.execute(read_sql(statement), values) and None,
        message=message,
    )
