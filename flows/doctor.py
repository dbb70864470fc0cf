"""What most often is wrong with an installation, found before a night fails on it."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flows.running import find_home, find_serving
from tasks.platform.errors import WhyrecError
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import Site, resolve_site

NEEDED_FREE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found and, when it is not well, what to do."""

    subject: str
    is_well: bool
    found: str
    advice: str = ""


def examine(config: str | None) -> list[Finding]:
    """Look at settings, packages, model, warehouse, disk, sources and server; never raises for a fault."""
    findings = [_check_python()]
    try:
        settings = load_settings(config)
    except WhyrecError as error:
        return [*findings, Finding("settings", False, str(error), "mend the settings file")]
    site = resolve_site(settings)
    findings.append(
        Finding("settings", True, f"{len(settings.sources)} sources, home {site.lake_root}")
    )
    checks: list[tuple[str, Callable[[Settings, Site], Finding]]] = [
        ("packages", _check_packages),
        ("encoder", _check_encoder),
        ("warehouse", _check_warehouse),
        ("disk", _check_disk),
        ("sources", _check_sources),
        ("server", _check_server),
    ]
    for subject, check in checks:
        try:
            findings.append(check(settings, site))
        except WhyrecError as error:
            findings.append(Finding(subject, False, str(error), "see the message"))
        except Exception as error:
            findings.append(
                Finding(subject, False, f"{type(error).__name__}: {error}"[:300], "see the message")
            )
    return findings


def _check_python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    is_well = sys.version_info >= (3, 11)
    return Finding("python", is_well, found, "" if is_well else "install Python 3.11 or newer")


def _check_packages(_settings: Settings, _site: Site) -> Finding:
    try:
        fastapi = version("fastapi")
        found = f"prefect {version('prefect')}, fastapi {fastapi}, duckdb {version('duckdb')}"
    except PackageNotFoundError as error:
        return Finding("packages", False, f"{error.name} is not installed", "run: make setup")
    is_well = tuple(map(int, fastapi.split(".")[:2])) < (0, 151)
    advice = (
        ""
        if is_well
        else "this Prefect answers 422 with fastapi 0.151, and fails to start with 0.155 and newer; run: pip install 'fastapi<0.151'"
    )
    return Finding("packages", is_well, found, advice)


def _check_encoder(settings: Settings, _site: Site) -> Finding:
    from tasks.text.task import choose_model, describe_encoder

    model = choose_model(settings.text)
    encoder, notes = describe_encoder(settings.text)
    found = f"{model.name}, revision {model.revision}, on {encoder}"
    advice = "set text.precision or text.backend to what this machine has"
    return Finding("encoder", True, "; ".join([found, *notes]), advice if notes else "")


def _check_warehouse(_settings: Settings, site: Site) -> Finding:
    site.warehouse.prepare()
    return Finding("warehouse", True, f"{site.catalog}, snapshot {site.warehouse.read_snapshot()}")


def _check_disk(_settings: Settings, site: Site) -> Finding:
    folder = Path(site.lake_root)
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return Finding(
            "disk", False, f"{folder} cannot be written", "change its owner or [paths] home"
        )
    free = shutil.disk_usage(folder).free
    is_well = free >= NEEDED_FREE_BYTES
    advice = "" if is_well else "free at least 2 GiB, or move [paths] home"
    return Finding("disk", is_well, f"{free / 2**30:.1f} GiB free at {folder}", advice)


def _check_sources(settings: Settings, _site: Site) -> Finding:
    from datetime import date

    from tasks.ingest.task import list_drop_dates

    if not settings.sources:
        return Finding(
            "sources", True, "none configured; 'whyrec import' and 'whyrec demo' need none"
        )
    days = list_drop_dates(settings, until=date.max)
    if not days:
        return Finding(
            "sources",
            False,
            "no drop found",
            "expected folders <path>/YYYY-MM-DD/ with files in them",
        )
    return Finding("sources", True, f"drops of {len(days)} days, {days[0]} to {days[-1]}")


def _check_server(settings: Settings, _site: Site) -> Finding:
    serving = find_serving(find_home(settings))
    url = os.environ.get("PREFECT_API_URL") or (serving.api if serving else None)
    if not url:
        return Finding(
            "server", True, "none; runs start one of their own, which keeps no full history",
            "whyrec up",
        )  # fmt: skip
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=3)
    except httpx.HTTPError as error:
        return Finding("server", False, f"{url}: {type(error).__name__}", "start it: whyrec up")
    is_well = answer.status_code == 200
    return Finding(
        "server",
        is_well,
        f"{url} answered {answer.status_code}",
        "" if is_well else "restart the server",
    )
