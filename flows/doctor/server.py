"""Checks of the Prefect server: does it answer, is it ours, what hangs there, when does the night run."""

import os
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any, Final
from zoneinfo import available_timezones

import httpx

from flows.doctor.setup import Finding
from flows.running import LOOPBACK, find_serving
from flows.server.api import find_login
from tasks.platform.settings import Settings
from tasks.platform.site import Site, find_home

TIMEOUT_S: Final = 3.0
STUCK_AFTER: Final = timedelta(hours=6)
START: Final = "start it ('whyrec up' or 'prefect server start'), or mend PREFECT_API_URL"


def find_url(settings: Settings) -> str | None:
    """Where runs report to, None when they start a server of their own."""
    if url := os.environ.get("PREFECT_API_URL"):
        return url.rstrip("/")
    serving = find_serving(find_home(settings))
    return serving.api if serving else None


def connect(url: str) -> httpx.Client:
    """A client that asks as runs do: past any proxy on this machine, elsewhere as the environment says."""
    is_here = httpx.URL(url).host in LOOPBACK
    return httpx.Client(timeout=TIMEOUT_S, auth=find_login(), trust_env=not is_here)


def ask(url: str, path: str) -> tuple[int, Any]:
    """(status, body) of a question to a server; (0, name of the error) when nobody answers."""
    try:
        with connect(url) as client:
            answer = client.get(f"{url}{path}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return 0, type(error).__name__
    try:
        return answer.status_code, answer.json()
    except ValueError:
        return answer.status_code, None


def check_server(settings: Settings, _site: Site) -> Finding:
    """Whether PREFECT_API_URL names a Prefect server of this version."""
    url = find_url(settings)
    if url is None:
        found = "none; runs start one of their own, which keeps no full history (see: whyrec up)"
        return Finding("server", True, found)
    if not url.endswith("/api"):
        found = f"PREFECT_API_URL is {url}, which does not end in /api"
        return Finding("server", False, found, f"set PREFECT_API_URL={url}/api")
    status, body = ask(url, "/health")
    if status == 0:
        return Finding("server", False, f"{url}: {body}", START)
    if status != 200 or body is not True:
        found = f"{url} answered {status}, and not as a Prefect server does"
        return Finding("server", False, found, f"another program has that port; {START}")
    status, there = ask(url, "/admin/version")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        found = f"{url} asks for a log-in, and took none"
        advice = "set PREFECT_API_AUTH_STRING=user:password as the server has it"
        return Finding("server", False, found, advice)
    here = version("prefect")
    if there != here:
        found = f"{url} is Prefect {there}, here is {here}"
        advice = f"run both at one version: pip install prefect=={there}, or upgrade the server"
        return Finding("server", False, found, advice)
    return Finding("server", True, f"{url}, Prefect {there}")


def check_port(settings: Settings, _site: Site) -> Finding:
    """Whether another program has the port that a server would take."""
    if find_url(settings) is not None:
        return Finding("port", True, "a server is named by PREFECT_API_URL")
    port = int(os.environ.get("PREFECT_SERVER_API_PORT") or settings.serve.port)
    status, body = ask(f"http://127.0.0.1:{port}/api", "/health")
    if status == 0 and body == "ConnectError":
        return Finding("port", True, f"{port} is free for a server")
    if status == 200 and body is True:
        found = f"a Prefect server answers on {port}, and runs do not report to it"
        advice = f"export PREFECT_API_URL=http://127.0.0.1:{port}/api"
        return Finding("port", True, found, advice)
    advice = (
        "stop that program, or set serve.port (PREFECT_SERVER_API_PORT for a server of your own)"
    )
    return Finding("port", False, f"port {port} is taken by another program", advice)


def check_stuck_runs(settings: Settings, _site: Site) -> Finding:
    """Runs that a server believes to be running for hours."""
    url, subject = find_url(settings), "stuck runs"
    if url is None:
        return Finding(subject, True, "no server to ask")
    before = (datetime.now(UTC) - STUCK_AFTER).isoformat()
    asked = {
        "flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}, "start_time": {"before_": before}},
        "limit": 200,
    }
    try:
        with connect(url) as client:
            answer = client.post(f"{url}/flow_runs/filter", json=asked)
        runs = answer.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return Finding(subject, True, f"the server could not be asked ({type(error).__name__})")
    if not runs:
        return Finding(subject, True, "none")
    found = (
        f"{len(runs)} runs are called running since over {STUCK_AFTER.seconds // 3600} hours, "
        f"among them {runs[0]['name']!r}; a killed process leaves them so"
    )
    advice = (
        f"if its process is gone: prefect flow-run cancel {runs[0]['id']}; then run the night again"
    )
    return Finding(subject, False, found, advice)


def check_schedule(settings: Settings, _site: Site) -> Finding:
    """Whether the schedules of `whyrec up`, of nights and of sweeps, are ones that there are."""
    serve = settings.serve
    night, sweep = (judge_schedule(cron, serve.timezone) for cron in (serve.cron, serve.sweep_cron))
    return night if sweep.is_well or not night.is_well else sweep


def judge_schedule(cron: str, timezone: str) -> Finding:
    """Whether a cron line and a time zone can be run by."""
    from prefect.client.schemas.schedules import CronSchedule

    if timezone not in available_timezones():
        found = f"{timezone!r} is no time zone"
        return Finding("schedule", False, found, "write it as Europe/Paris or Etc/UTC")
    try:
        CronSchedule(cron=cron, timezone=timezone)
    except ValueError:
        found = f"{cron!r} is no cron line"
        advice = "write minute hour day month weekday, as 30 2 * * *"
        return Finding("schedule", False, found, advice)
    return Finding("schedule", True, f"{cron} in {timezone}")
