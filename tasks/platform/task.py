"""The Prefect side of the platform: how every task is cached, locked, retried and counted.

A task of whyrec is declared with `@stage_task("effects")` and called through `bind(task, run)`,
which says where results live. Its cache key is made of its name, its inputs (references by content,
settings by value, places and run identity left out) and a hash of the code that computes it. Two
runs that need the same key compute it once; a result whose files are gone counts as absent.
"""

import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, ParamSpec, TypeVar

import anyio.to_thread
from prefect import Task, task
from prefect.cache_policies import DEFAULT, NO_CACHE, CachePolicy
from prefect.locking.protocol import LockManager
from prefect.serializers import JSONSerializer
from pydantic import BaseModel, SecretStr

from tasks.platform.code import hash_function_code
from tasks.platform.errors import TransientError
from tasks.platform.lake import Lake
from tasks.platform.locks import is_same_file
from tasks.platform.refs import FileRef, Ref, iterate_files
from tasks.platform.runs import append_event
from tasks.platform.settings import Section, TextSettings
from tasks.platform.site import Site

P = ParamSpec("P")
R = TypeVar("R")

UNKEYED: Final = ("run",)
"""Parameters that cannot change an answer: which run asks, and on which machine."""
_POLL_S: Final = 0.05


class RunContext(BaseModel):
    """Which run a task serves, where that run keeps things, and how this machine runs encoders.

    Never part of a cache key: what of the encoder decides an answer travels to tasks by itself.
    """

    run_id: str
    events: str
    site: Site
    text: TextSettings


def describe_inputs(value: Any) -> Any:
    """A JSON form of task inputs that holds content, not places.

    A FileRef counts by its hash; models, mappings and sequences by their parts. Raises TypeError
    for what has no stable form, so that no key is ever made from a memory address.
    """
    if isinstance(value, FileRef):
        return {"file": value.sha256}
    if isinstance(value, BaseModel):
        hidden = value.places if isinstance(value, Ref) else frozenset()
        hidden = value.unkeyed if isinstance(value, Section) else hidden
        parts = {
            name: getattr(value, name) for name in type(value).model_fields if name not in hidden
        }
        return {type(value).__name__: describe_inputs(parts)}
    if isinstance(value, Mapping):
        return {str(key): describe_inputs(part) for key, part in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [describe_inputs(part) for part in value]
    if isinstance(value, SecretStr):
        return {"secret": hashlib.sha256(value.get_secret_value().encode()).hexdigest()}
    if isinstance(value, Enum):
        return describe_inputs(value.value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} cannot be part of a cache key")


class FlockManager(LockManager):
    """Locks of cache keys as flock on files: a killed holder frees them at once."""

    def __init__(self, folder: Path) -> None:
        """Keep the lock files in `folder`, which must be on a local disk."""
        self.folder = folder
        self._held: dict[str, tuple[str, int]] = {}
        self._guard = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> "FlockManager":
        """Cache policies are copied when configured; the held locks are not."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Travel to other processes without the locks that this one holds."""
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start with no lock held."""
        self.__init__(state["folder"])  # type: ignore[misc]

    def _place(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.lock"

    def _open(self, key: str) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        return os.open(self._place(key), os.O_RDWR | os.O_CREAT, 0o644)

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Take the lock of `key`; False when `acquire_timeout` seconds pass first."""
        if self.is_lock_holder(key, holder):
            return True
        handle = self._open(key)
        deadline = None if acquire_timeout is None else time.monotonic() + acquire_timeout
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if is_same_file(handle, self._place(key)):
                    break
                os.close(handle)  # it was cleared away meanwhile; another may hold its successor
                handle = self._open(key)
            except BlockingIOError:
                if deadline is not None and time.monotonic() >= deadline:
                    os.close(handle)
                    return False
                time.sleep(_POLL_S)
        with self._guard:
            self._held[key] = (holder, handle)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Free the lock of `key` if `holder` has it."""
        with self._guard:
            entry = self._held.get(key)
            if entry is None or entry[0] != holder:
                return
            del self._held[key]
        os.close(entry[1])

    def is_locked(self, key: str) -> bool:
        """True when anybody holds the lock of `key`."""
        handle = self._open(key)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(handle)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """True when `holder` has the lock of `key`."""
        with self._guard:
            entry = self._held.get(key)
        return entry is not None and entry[0] == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody holds the lock of `key`; False when `timeout` seconds pass first."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.is_locked(key):
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """As `acquire_lock`, off the event loop."""
        return await anyio.to_thread.run_sync(
            self.acquire_lock, key, holder, acquire_timeout, hold_timeout
        )

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """As `wait_for_lock`, off the event loop."""
        return await anyio.to_thread.run_sync(self.wait_for_lock, key, timeout)


@dataclass
class ContentPolicy(CachePolicy):
    """Cache key = task name, inputs by content, and the code that computes."""

    code: str = ""

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """The key of one call; see `describe_inputs` for what of the inputs enters it."""
        kept = {name: part for name, part in inputs.items() if name not in UNKEYED}
        name = task_ctx.task.name
        document = {"task": name, "code": self.code, "inputs": describe_inputs(kept)}
        text = json.dumps(document, sort_keys=True)
        return f"{name}-{hashlib.sha256(text.encode()).hexdigest()}"


class CheckedJSON(JSONSerializer[Any]):
    """JSON results; one that names a lake file which is gone or cut short counts as absent."""

    type: Literal["whyrec-checked-json"] = "whyrec-checked-json"
    lake_root: str

    def loads(self, blob: bytes) -> Any:
        """Read a result; raises FileNotFoundError (a cache miss) when one of its files is not intact."""
        value = super().loads(blob)
        lake = Lake(Path(self.lake_root))
        for ref in iterate_files(value):
            if not lake.is_intact(ref):
                raise FileNotFoundError(ref.path)
        return value


def _is_worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    try:
        state.result()
    except (TransientError, OSError, MemoryError) as error:
        return not isinstance(error, (FileNotFoundError, IsADirectoryError, PermissionError))
    except Exception:
        return False
    return False


def stage_task(
    stage: str, *, is_cached: bool = True, retries: int = 3
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Declare a task of `stage`, named "<stage>.<function>".

    Transient errors are tried `retries` more times, with exponential backoff and jitter; terminal
    ones fail at once. A task that is not cached writes to the warehouse and must be idempotent.
    """

    def declare(function: Callable[P, R]) -> Task[P, R]:
        wrap = task(
            name=f"{stage}.{function.__name__}",
            cache_policy=DEFAULT if is_cached else NO_CACHE,
            persist_result=is_cached,
            retries=retries,
            retry_delay_seconds=[0.5 * 2**number for number in range(retries)],
            retry_jitter_factor=0.5,
            retry_condition_fn=_is_worth_retrying,
        )
        return wrap(function)

    return declare


def bind(declared: Task[P, R], run: RunContext, *, label: str = "") -> Task[P, R]:
    """The task as `run` calls it: results, locks and event log in that run's places.

    `label` says in run names which piece of the work this is ("2024-03-01").
    """

    def record(_task: Any, task_run: Any, state: Any) -> None:
        append_event(Path(run.events), declared.name, task_run, state)

    options: dict[str, Any] = {
        "on_completion": [record],
        "on_failure": [record],
        "task_run_name": f"{declared.name} {label}".strip(),
    }
    if declared.cache_policy is not NO_CACHE:
        cache = Path(run.site.cache_root)
        policy = ContentPolicy(code=hash_function_code(declared.fn)).configure(
            isolation_level="SERIALIZABLE", lock_manager=FlockManager(cache / "locks")
        )
        options |= {
            "cache_policy": policy,
            "result_storage": cache / "results",
            "result_serializer": CheckedJSON(lake_root=run.site.lake_root),
        }
    return declared.with_options(**options)
