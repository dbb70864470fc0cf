"""Everything on one machine: Prefect server, UI, deployments, schedule, and what runs them.

One process starts the others, waits until they are well, starts again what dies, and takes all down
with it when it is stopped. It loads no engine itself, so that it is up at once.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Final

from flows.running import (
    Serving,
    claim_home,
    find_address,
    find_prefect_home,
    find_ready,
    reach_directly,
    read_ready,
)
from flows.server.api import ServerError, ask_server, is_healthy
from flows.server.processes import Service, ServiceError
from flows.server.reports import serve_reports
from flows.server.stale import crash_stale
from tasks.platform.errors import ConfigError
from tasks.platform.settings import CRON, CRON_FORM, Settings
from tasks.platform.site import find_home, resolve_site

START_S: Final = 180.0
GRACE_S: Final = 25.0
LOOK_S: Final = 0.25
HEALTH_EVERY_S: Final = 15.0
MAX_UNHEALTHY: Final = 4
STOPPED: Final = "whyrec was stopped while this ran; run it again: finished tasks are kept"

Tell = Callable[[str], None]


def make_environment(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """Environment of the server and of what runs flows; what `base` says of Prefect's place is replaced."""
    serve, home = settings.serve, find_home(settings)
    own = find_address(serve.host, serve.port)
    site = resolve_site(settings)
    environment = {
        name: value
        for name, value in base.items()
        if name not in ("PREFECT_PROFILE", "PREFECT_UI_API_URL", "PREFECT_SERVER_UI_API_URL")
    }
    reach_directly(environment, serve.host)
    return environment | {
        "PREFECT_HOME": str(find_prefect_home(home)),
        "PREFECT_API_URL": f"{own}/api",
        "PREFECT_SERVER_API_HOST": serve.host,
        "PREFECT_SERVER_API_PORT": str(serve.port),
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": own,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(serve.keep_runs_days * 86_400),
        "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING",
        "PREFECT_LOCAL_STORAGE_PATH": str(Path(site.cache_root) / "results"),
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
    }


def refuse_taken_ports(settings: Settings) -> None:
    """Raise ConfigError when a port that is to be listened on is in use by something else."""
    serve = settings.serve
    for port, option in ((serve.port, "port"), (serve.reports_port, "reports_port")):
        family = socket.AF_INET6 if ":" in serve.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((serve.host, port))
            except OSError as error:
                raise ConfigError(
                    f"port {port} of {serve.host} cannot be had ({error.strerror}); stop what uses it, or "
                    f"choose another with --{option.replace('_', '-')} or [serve] {option}"
                ) from error


def refuse_odd_cron(cron: str) -> None:
    """Raise ConfigError for what has not the form of a schedule, or names a time that there is not."""
    from prefect.client.schemas.schedules import CronSchedule

    if not CRON.fullmatch(cron.strip()):
        raise ConfigError(f"cron {cron!r} {CRON_FORM}")
    try:
        CronSchedule(cron=cron)
    except ValueError as error:
        raise ConfigError(
            f"cron {cron!r} names a time that there is not; it {CRON_FORM}"
        ) from error


@dataclass
class Keeper:
    """What is kept running, and how it is told of."""

    settings: Settings
    config: Path | None
    tell: Tell
    stopping: Event = field(default_factory=Event)
    services: dict[str, Service] = field(default_factory=dict)
    returning: set[str] = field(default_factory=set)
    unhealthy: int = 0

    @property
    def home(self) -> Path:
        """The folder that is served."""
        return find_home(self.settings)

    @property
    def api(self) -> str:
        """Address of the server's API."""
        serve = self.settings.serve
        return f"{find_address(serve.host, serve.port)}/api"

    def prepare(self) -> None:
        """Say how the server and the runner are started."""
        folder = find_prefect_home(self.home)
        environment = make_environment(self.settings, os.environ)
        commands = {
            "server": ["-m", "prefect", "server", "start"],
            "runner": ["-m", "flows.server.serving", *([str(self.config)] if self.config else [])],
        }
        for name, command in commands.items():
            self.services[name] = Service(
                name=name,
                command=[sys.executable, *command],
                environment=environment,
                folder=self.settings.root,
                log=folder / f"{name}.log",
            )

    def start(self) -> None:
        """Start all, wait until the server is healthy and its deployments are there."""
        find_ready(self.home).unlink(missing_ok=True)
        for service in self.services.values():
            service.start()
        for name, service in self.services.items():
            self._wait(service, partial(self._is_ready, name))

    def _is_ready(self, name: str) -> bool:
        """The server is ready when it is healthy, the runner when it has told its deployments."""
        return is_healthy(self.api) if name == "server" else read_ready(self.home) is not None

    def _wait(self, service: Service, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_S
        while not is_ready():
            if service.ended is not None:
                raise ServiceError(
                    f"the {service.name} ended with code {service.ended} before it was ready; "
                    f"the end of {service.log} says:\n{service.read_end()}"
                )
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"the {service.name} is not ready after {START_S:.0f} s; see {service.log}"
                )
            if self.stopping.wait(LOOK_S):
                raise KeyboardInterrupt

    def keep(self) -> None:
        """Start again what dies, until told to stop; raises ServiceError when that does not help."""
        looked = time.monotonic()
        while not self.stopping.wait(LOOK_S):
            for name, service in self.services.items():
                if (code := service.ended) is not None:
                    self.tell(f"the {name} ended with code {code}; starting it again")
                    self._restart(name)
                elif name in self.returning and self._is_ready(name):
                    self.returning.discard(name)
                    self.tell(f"the {name} is back")
            if time.monotonic() - looked > HEALTH_EVERY_S and not self.returning:
                looked = time.monotonic()
                self._check_health()

    def _restart(self, name: str) -> None:
        service = self.services[name]
        service.note_death(time.monotonic())
        service.stop(grace_s=0)
        self.stopping.wait(len(service.deaths) - 1)
        if name == "runner":
            find_ready(self.home).unlink(missing_ok=True)
        service.start()
        self.returning.add(name)

    def _check_health(self) -> None:
        self.unhealthy = 0 if is_healthy(self.api) else self.unhealthy + 1
        if self.unhealthy >= MAX_UNHEALTHY:
            self.unhealthy = 0
            self.tell("the server does not answer; starting it again")
            self.services["server"].stop(grace_s=GRACE_S)
            self._restart("server")

    def stop(self) -> None:
        """End what runs flows, say so of the runs that it cut off, and end the server."""
        if runner := self.services.get("runner"):
            runner.stop(grace_s=GRACE_S)
        if server := self.services.get("server"):
            if server.ended is None and server.process is not None:
                self._close_runs()
            server.stop(grace_s=GRACE_S)
        find_ready(self.home).unlink(missing_ok=True)

    def _close_runs(self) -> None:
        try:
            with ask_server(self.api) as server:
                crash_stale(server, find_prefect_home(self.home), STOPPED)
        except ServerError as error:
            self.tell(str(error))


@contextmanager
def heed_signals(stopping: Event) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal ask for an orderly end during the body.

    What was to be ignored from the start (as under nohup) still is.
    """
    kinds = [
        kind
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(kind) is not signal.SIG_IGN
    ]
    before = {kind: signal.signal(kind, lambda *_: stopping.set()) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def serve_site(
    settings: Settings, config: Path | None, *, tell: Tell, announce: Callable[[Any], None]
) -> None:
    """Bring everything up, announce it, and keep it up until a signal ends it.

    `announce` gets what is served (see `Serving`), seconds it took, and what is scheduled next.
    Raises ConfigError for a port in use, ServiceError for a process that does not stay alive.
    """
    began = time.monotonic()
    serve = settings.serve
    serving = Serving(
        pid=os.getpid(),
        host=serve.host,
        port=serve.port,
        reports_port=serve.reports_port,
        config=str(config or ""),
        started_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    keeper = Keeper(settings, config, tell)
    with ExitStack() as stack:
        stack.enter_context(heed_signals(keeper.stopping))
        stack.enter_context(claim_home(keeper.home, serving))
        for cron in (serve.cron, serve.sweep_cron):
            refuse_odd_cron(cron)
        refuse_taken_ports(settings)
        stack.callback(keeper.stop)
        keeper.prepare()
        reports = Path(resolve_site(settings).reports_root)
        stack.enter_context(serve_reports(reports, serve.host, serve.reports_port))
        keeper.start()
        ready = read_ready(keeper.home) or {}
        announce({"serving": serving, "seconds": time.monotonic() - began, **ready})
        keeper.keep()
        tell("stopping")
