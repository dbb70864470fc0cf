"""What a check says, and the checks of what is installed."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

from packaging.requirements import Requirement

from tasks.platform.errors import ConfigError
from tasks.platform.settings import Settings
from tasks.platform.site import Site
from tasks.platform.warehouse import find_extension

WHY: Final = {
    "fastapi": "Prefect's server fails to start, or answers 422, with a newer one",
    "duckdb": "the packaged extensions are built for exactly that version",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found and, when it is not well, what to do."""

    subject: str
    is_well: bool
    found: str
    advice: str = ""

    @property
    def mark(self) -> str:
        """How it is shown: ok, note or WRONG."""
        if not self.is_well:
            return "WRONG"
        return "note" if self.advice else "ok"


def check_python() -> Finding:
    """Whether Python is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    is_well = sys.version_info >= (3, 11)
    return Finding("python", is_well, found, "" if is_well else "install Python 3.11 or newer")


def check_packages(find_version: Callable[[str], str] = version) -> Finding:
    """Whether every package that whyrec needs is there, at a version that it works with."""
    needed = [Requirement(line) for line in requires("whyrec") or ()]
    wrong = []
    for one in needed:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            found = find_version(one.name)
        except PackageNotFoundError:
            wrong.append(f"{one.name} is not installed")
            continue
        if not one.specifier.contains(found, prereleases=True):
            why = f" ({WHY[one.name]})" if one.name in WHY else ""
            wrong.append(f"{one.name} {found} is installed, needed is {one.specifier}{why}")
    if wrong:
        advice = "run: pip install -c constraints.txt -e . (or make setup)"
        return Finding("packages", False, "; ".join(wrong), advice)
    shown = ", ".join(f"{name} {find_version(name)}" for name in ("prefect", "fastapi", "duckdb"))
    return Finding("packages", True, shown)


def check_extensions(_settings: Settings, site: Site) -> Finding:
    """Whether DuckDB's extensions that this warehouse needs are there."""
    kind = site.catalog.partition(":")[0]
    names = ["ducklake", {"postgres": "postgres_scanner"}.get(kind, "sqlite_scanner")]
    if "://" in site.data:
        names.append("httpfs")
    for name in names:
        try:
            find_extension(name)
        except ConfigError as error:
            return Finding("extensions", False, str(error), "install the package that is named")
    return Finding("extensions", True, ", ".join(names))
