"""A lock between processes that dies with its holder: flock on a file (local disks only)."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.platform.errors import WarehouseBusyError

_POLL_S = 0.02


def try_lock(path: Path, *, timeout_s: float | None) -> int | None:
    """Take the lock; the descriptor that holds it, or None when `timeout_s` passed first.

    With None it waits without limit. A killed holder frees it at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline is not None and time.monotonic() >= deadline:
                os.close(handle)
                return None
            time.sleep(_POLL_S)
        else:
            return handle


def is_held(path: Path) -> bool:
    """True when a living process holds the lock; a file that is not there is held by nobody."""
    if not path.is_file():
        return False
    handle = try_lock(path, timeout_s=0)
    if handle is None:
        return True
    os.close(handle)
    return False


def is_same_file(handle: int, path: Path) -> bool:
    """True while `path` still names the file that `handle` has open, and not none or a later one."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def remove_free_lock(path: Path) -> bool:
    """Remove a lock file that nobody holds; False when somebody does, or it is gone.

    Only for locks whose takers check `is_same_file` once they have them.
    """
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_same_file(handle, path):
            path.unlink()
            return True
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return False


@contextmanager
def hold_lock(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Hold the lock for the body; raises WarehouseBusyError after `timeout_s` of waiting."""
    handle = try_lock(path, timeout_s=timeout_s)
    if handle is None:
        raise WarehouseBusyError(
            f"{path} was held by another process for more than {timeout_s:g} s; "
            "wait for that run to end, or raise warehouse.lock_timeout_s"
        )
    try:
        yield
    finally:
        os.close(handle)
