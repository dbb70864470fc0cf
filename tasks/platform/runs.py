"""What a run did: an append-only log of task events, and run.json made of it.

Each task appends one line when it ends, from whichever process it ran in, so that the account is
whole up to the last finished task even when the run was killed.
"""

import getpass
import json
import os
import socket
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.platform import errors

ENGINE_WORDS = "Task run encountered an exception "
"""What Prefect puts before the message of an error."""
TaskState = Literal["ran", "cached", "retried", "failed", "skipped"]
STATES: tuple[TaskState, ...] = ("ran", "cached", "retried", "failed", "skipped")


@dataclass(frozen=True)
class TaskEvent:
    """How one task ended. `seconds` is wall time up to `ended_at` (UTC), `rows` is what it wrote."""

    stage: str
    name: str
    state: TaskState
    seconds: float
    rows: int | None = None
    reason: str = ""
    ended_at: str = ""


def make_run_id() -> str:
    """A new identity for a run."""
    return uuid.uuid4().hex


def name_asker() -> str:
    """user@host of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def write_event(path: Path, event: TaskEvent) -> None:
    """Append one event; a line is written whole, also by several processes at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(event), sort_keys=True) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def append_event(path: Path, name: str, task_run: Any, state: Any) -> None:
    """Record how an engine's task run ended, from its final state.

    A task that succeeded after more than one attempt counts as "retried", not as "ran".
    """
    event = TaskEvent(
        stage=name.partition(".")[0],
        name=str(getattr(task_run, "name", name)),
        state=_classify(state, int(getattr(task_run, "run_count", 1) or 1)),
        seconds=round(_seconds(task_run, state), 4),
        rows=_rows(state),
        reason="" if state.is_completed() else _explain(str(state.message or ""))[:500],
        ended_at=state.timestamp.isoformat(),
    )
    write_event(path, event)


def _explain(message: str) -> str:
    """What an engine says of a failed task, without its own words and the names of our errors."""
    text = message.removeprefix(ENGINE_WORDS)
    name, _, rest = text.partition(": ")
    error = getattr(errors, name, None)
    is_ours = isinstance(error, type) and issubclass(error, errors.WhyrecError)
    return rest if is_ours else text


def _classify(state: Any, run_count: int) -> TaskState:
    if not state.is_completed():
        return "failed"
    if state.name == "Cached":
        return "cached"
    return "retried" if run_count > 1 else "ran"


def _seconds(task_run: Any, state: Any) -> float:
    started = getattr(task_run, "start_time", None)
    return max(0.0, (state.timestamp - started).total_seconds()) if started else 0.0


def _rows(state: Any) -> int | None:
    data = getattr(state, "data", None)
    result = getattr(data, "result", data)
    rows = getattr(result, "rows", None)
    return int(rows) if isinstance(rows, int) else None


def read_events(path: Path) -> list[TaskEvent]:
    """All events of a run so far; a line cut short by a crash is left out."""
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(TaskEvent(**json.loads(line)))
        except (json.JSONDecodeError, TypeError):
            continue
    return events


def count_states(events: Iterable[TaskEvent]) -> dict[str, int]:
    """Number of tasks by state; all states are present."""
    counts = Counter(event.state for event in events)
    return {state: counts.get(state, 0) for state in STATES}


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON document, or None when there is none that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    draft.write_text(
        json.dumps(document, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8"
    )
    draft.replace(path)
