"""Who serves a home: one `whyrec up` at a time, known by a lock that dies with its holder."""

import json
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tasks.platform.errors import ConfigError
from tasks.platform.locks import is_held, try_lock
from tasks.platform.runs import read_json, write_json

ANY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, never bound to
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Serving:
    """What a `whyrec up` serves, and from which process."""

    pid: int
    host: str
    port: int
    reports_port: int
    config: str
    started_at: str

    @property
    def ui(self) -> str:
        """Address of Prefect's UI, as seen from this machine."""
        return find_address(self.host, self.port)

    @property
    def api(self) -> str:
        """Address of Prefect's API, as seen from this machine."""
        return f"{self.ui}/api"

    @property
    def reports(self) -> str:
        """Address of the reports, as seen from this machine."""
        return find_address(self.host, self.reports_port)


def find_address(host: str, port: int) -> str:
    """Where to reach, from this machine, what listens on `host`: IPv6 stands in brackets."""
    reached = "127.0.0.1" if host in ANY_ADDRESS else host
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def reach_directly(environment: MutableMapping[str, str], *hosts: str) -> None:
    """Let no proxy that `environment` names stand between a process and this machine, or these hosts.

    Whoever asks by HTTP heeds HTTP_PROXY, also for a server of this machine, which no proxy reaches.
    """
    for name in ("NO_PROXY", "no_proxy"):
        given = environment.get(name) or environment.get(name.swapcase(), "")
        named = [host.strip() for host in given.split(",") if host.strip()]
        if "*" not in named:
            environment[name] = ",".join(dict.fromkeys([*named, *LOOPBACK, *hosts]))


def find_prefect_home(home: Path) -> Path:
    """Where the server of `whyrec up` keeps its database and logs."""
    return home / "prefect"


@contextmanager
def claim_home(home: Path, serving: Serving) -> Iterator[None]:
    """Be the one who serves `home` for the body.

    Raises ConfigError when somebody else does; ask `find_serving` first for who and where.
    """
    handle = try_lock(_lock_path(home), timeout_s=1)
    if handle is None:
        raise ConfigError(f"{home} is served by another 'whyrec up' that is starting or stopping")
    try:
        write_json(_state_path(home), asdict(serving))
        yield
    finally:
        _state_path(home).unlink(missing_ok=True)
        os.close(handle)


def find_serving(home: Path) -> Serving | None:
    """Who serves `home` now, None when nobody does."""
    if not is_claimed(home):
        return None
    document = read_json(_state_path(home))
    try:
        return None if document is None else Serving(**document)
    except TypeError:
        return None


def is_claimed(home: Path) -> bool:
    """Whether a `whyrec up` of `home` is alive, also while it starts or stops."""
    return is_held(_lock_path(home))


def describe_serving(serving: Serving, *, is_ready: bool = True) -> str:
    """One sentence on what runs and where."""
    state = "is up since" if is_ready else "has been starting since"
    return (
        f"whyrec {state} {serving.started_at} (process {serving.pid}): "
        f"UI {serving.ui}, reports {serving.reports}"
    )


def to_json(serving: Serving) -> dict[str, object]:
    """What runs and where, for --json."""
    return {**asdict(serving), "ui": serving.ui, "api": serving.api, "reports": serving.reports}


def _lock_path(home: Path) -> Path:
    return find_prefect_home(home) / "up.lock"


def _state_path(home: Path) -> Path:
    return find_prefect_home(home) / "up.json"


def read_ready(home: Path) -> dict[str, object] | None:
    """What the process that runs flows said when it was ready, None before."""
    path = find_ready(home)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def find_ready(home: Path) -> Path:
    """Where the process that runs flows says that it is ready."""
    return find_prefect_home(home) / "ready.json"
