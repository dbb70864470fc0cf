"""Child processes that are kept alive, and that never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tasks.platform.errors import WhyrecError

MAX_LOG_BYTES: Final = 10_000_000
MAX_DEATHS: Final = 5
DEATHS_WITHIN_S: Final = 600.0
SHOWN_LINES: Final = 15
_PR_SET_PDEATHSIG: Final = 1


class ServiceError(WhyrecError):
    """A process that `whyrec up` keeps alive does not stay alive."""


def _end_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it dies, however it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Service:
    """A process that should always be there; its output goes to `log`.

    It leads a session of its own: a Ctrl-C meant for its parent does not reach it, and all that it
    started can be ended with it.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=deque)

    def start(self) -> None:
        """Start the process; an overlong log of earlier ones is put aside first."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.is_file() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".1.log"))
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                list(self.command),
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )

    @property
    def ended(self) -> int | None:
        """What the process ended with, None while it lives or was never started."""
        return None if self.process is None else self.process.poll()

    def note_death(self, now: float) -> None:
        """Remember that it died; raises ServiceError when it does so too often."""
        self.deaths.append(now)
        while now - self.deaths[0] > DEATHS_WITHIN_S:
            self.deaths.popleft()
        if len(self.deaths) >= MAX_DEATHS:
            raise ServiceError(
                f"the {self.name} ended {MAX_DEATHS} times within "
                f"{DEATHS_WITHIN_S / 60:.0f} minutes; the end of {self.log} says:\n{self.read_end()}"
            )

    def read_end(self) -> str:
        """The last lines of its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "(nothing)"
        return "\n".join(lines[-SHOWN_LINES:]) or "(nothing)"

    def stop(self, *, grace_s: float) -> None:
        """End it and all that it started: politely, and after `grace_s` seconds for good."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline and self._is_group_alive():
            time.sleep(0.05)
        if self._is_group_alive():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def _is_group_alive(self) -> bool:
        if self.process is None:
            return False
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True
