"""Runs that a server believes to be running, and whose process is gone.

A run holds a lock on a file while it lives; the lock dies with the process, however that ends.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from flows.server.api import Server
from tasks.platform.locks import try_lock

KILLED: Final = (
    "the process of this run is gone (killed, or the machine went down); run it again: "
    "finished tasks are kept"
)
MISSED: Final = "this start was missed while whyrec was not up; one later run does its work"
BUSY: Final = ("RUNNING", "PENDING", "CANCELLING")


def _lock_of(folder: Path, run_id: str) -> Path:
    return folder / "alive" / f"{run_id}.lock"


@contextmanager
def show_alive(folder: Path, run_id: str) -> Iterator[None]:
    """Hold the lock that says that a run lives; `folder` is that of the server's home."""
    path = _lock_of(folder, run_id)
    handle = try_lock(path, timeout_s=5)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def is_gone(folder: Path, run: dict[str, Any]) -> bool:
    """Whether the process of a busy run is known to be gone.

    A run of a deployment that `whyrec up` runs itself is gone when it holds no lock; one that a
    worker or a person started is judged only by a lock that it once held.
    """
    path = _lock_of(folder, run["id"])
    if path.is_file():
        handle = try_lock(path, timeout_s=0)
        if handle is None:
            return False
        path.unlink(missing_ok=True)
        os.close(handle)
        return True
    return run["deployment_id"] is not None and run["work_pool_name"] is None


def crash_stale(server: Server, folder: Path, message: str = KILLED) -> list[str]:
    """Mark every busy run whose process is gone as crashed; returns their names.

    To be asked while no runner of `folder` is at work.
    """
    runs = server.find_runs(state={"type": {"any_": list(BUSY)}})
    gone = [run for run in runs if is_gone(folder, run)]
    for run in gone:
        server.set_state(run["id"], "CRASHED", message)
    return [run["name"] for run in gone]


def skip_missed(server: Server, deployment_id: str) -> int:
    """Of the starts of a schedule that were missed, keep the latest alone; returns how many were dropped."""
    now = datetime.now(UTC).isoformat()
    late = server.find_runs(
        state={"type": {"any_": ["SCHEDULED"]}},
        deployment_id={"any_": [deployment_id]},
        expected_start_time={"before_": now},
    )
    missed = [run for run in late if run["auto_scheduled"]]
    missed.sort(key=lambda run: str(run["expected_start_time"]))
    for run in missed[:-1]:
        server.set_state(run["id"], "CANCELLED", MISSED)
    return max(0, len(missed) - 1)
