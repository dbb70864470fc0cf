"""The commands `whyrec up | down`."""

import os
import signal
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.options import Config, Json
from flows.console import explain_errors, print_json, print_line, refuse_options
from flows.running import (
    Serving,
    describe_serving,
    find_serving,
    is_claimed,
    read_ready,
    to_json,
)
from tasks.platform.errors import InputError, TransientError
from tasks.platform.settings import CONFIG_NAME, ServeSettings, Settings, load_settings
from tasks.platform.site import find_home

STOP_S = 90.0

Host = Annotated[str | None, typer.Option(help="Address to listen on; default \\[serve] host.")]
Port = Annotated[int | None, typer.Option(help="Port of the UI; default \\[serve] port.")]
ReportsPort = Annotated[
    int | None, typer.Option(help="Port of the reports; default \\[serve] reports_port.")
]
Cron = Annotated[str | None, typer.Option(help="When the night runs; default \\[serve] cron.")]
TimeZone = Annotated[
    str | None,
    typer.Option(help="Time zone of --cron, as Europe/Paris; default \\[serve] timezone."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("down")(down)


def up(
    config: Config = None,
    host: Host = None,
    port: Port = None,
    reports_port: ReportsPort = None,
    cron: Cron = None,
    timezone: TimeZone = None,
    status: Annotated[
        bool, typer.Option("--status", help="Only say what runs and where; exit code 1: nothing.")
    ] = False,
    is_json: Json = False,
) -> None:
    """Serve everything on this machine: Prefect with its UI, the schedule, what runs it, the reports.

    It stays in the foreground until Ctrl-C, SIGTERM or `whyrec down`, and takes all down with it.

    Example: whyrec up --cron "30 2 * * *" --timezone Europe/Paris
    """
    with explain_errors(is_json=is_json):
        given = {
            "host": host, "port": port, "reports_port": reports_port, "cron": cron, "timezone": timezone,
        }  # fmt: skip
        if status:
            refuse_options("of what is to be served; leave that out, or --status", **given)
        choose_serving(given)
        settings = load_settings(config)
        home = find_home(settings)
        if running := find_serving(home):
            show_running(running, is_ready=read_ready(home) is not None, is_json=is_json)
            return
        if status:
            raise InputError(f"nothing serves {home}; start it with 'whyrec up'")
        from flows.server.up import serve_site

        serve_site(
            settings, find_config(config), tell=print_line,
            announce=print_json_line if is_json else lambda news: announce(settings, news),
        )  # fmt: skip


def down(config: Config = None, is_json: Json = False) -> None:
    """Stop the `whyrec up` of this home, from another terminal.

    Example: whyrec down
    """
    with explain_errors(is_json=is_json):
        home = find_home(load_settings(config))
        running = find_serving(home)
        if running is None:
            raise InputError(f"nothing serves {home}; there is nothing to stop")
        os.kill(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while is_claimed(home):
            if time.monotonic() > deadline:
                raise TransientError(
                    f"process {running.pid} has not ended after {STOP_S:.0f} s; see {home / 'prefect'}"
                )
            time.sleep(0.1)
        print_json({"stopped": to_json(running)}) if is_json else print_line("whyrec is down")


def choose_serving(given: Mapping[str, Any]) -> None:
    """Let options win over the settings file, here and in all that is started from here."""
    for name, value in given.items():
        if value is not None:
            os.environ[f"WHYREC_SERVE__{name.upper()}"] = str(value)


def show_running(running: Serving, *, is_ready: bool, is_json: bool) -> None:
    """Say what already runs and where."""
    if is_json:
        print_json({**to_json(running), "is_ready": is_ready})
    else:
        print_line(describe_serving(running, is_ready=is_ready))


def find_config(config: str | None) -> Path | None:
    """The settings file in use, absolute: runs start in other folders."""
    named = config or os.environ.get("WHYREC_CONFIG")
    path = Path(named or CONFIG_NAME).expanduser().resolve()
    return path if path.is_file() else None


def announce(settings: Settings, news: dict[str, Any]) -> None:
    """Say where everything is and what comes next."""
    serving = news["serving"]
    print_line(f"whyrec is up after {news['seconds']:.1f} s")
    print_line(f"  UI       {serving.ui}")
    print_line(f"  reports  {serving.reports}")
    print_line(f"  to start there: {', '.join(news['deployments'])}")
    print_line(f"  {describe_next(settings.serve, news['next']['nightly'])}")
    if news["crashed"]:
        print_line(f"  marked as crashed, their process is gone: {', '.join(news['crashed'])}")
    if news["missed"]:
        print_line(
            f"  {news['missed']} missed starts of the night were dropped, the latest is made up for"
        )
    print_line("  Ctrl-C stops it, or 'whyrec down' from elsewhere")


def describe_next(serve: ServeSettings, upcoming: str | None) -> str:
    """When the night runs next, in words."""
    if not upcoming:
        return f"the schedule '{serve.cron}' names no time to come"
    when = datetime.fromisoformat(upcoming)
    return f"next night: {when:%A %Y-%m-%d at %H:%M} {serve.timezone}"


def print_json_line(news: dict[str, Any]) -> None:
    """What is up, for --json."""
    print_json({**news, "serving": to_json(news["serving"])})
