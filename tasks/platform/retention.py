"""What may go, and why. Deciding only looks; `clear_away` does it.

What is needed is found by following references from what stays: the accepted rows of every drop (a
day is derived from them again when another drop touches it), and the files that the kept nights'
run.json name. A task's result is needed when it names one of those files, and then all that it
names is. Vectors of texts are kept for good, as are models and whatever is not a file of the lake.
Nothing that was written in the last `unused_days` is touched, so that a run at work loses nothing.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from tasks.platform.locks import remove_free_lock
from tasks.platform.runs import read_json
from tasks.platform.settings import RetentionSettings
from tasks.platform.site import Site
from tasks.platform.user_cache import list_user_cache

Kind = Literal[
    "reports", "run folders", "lake files", "task results", "locks", "drafts", "machine cache"
]
_FOLDERS: Final = ("reports", "run folders", "machine cache")
"""Kinds whose folders go when they are empty."""
RUN_FILE: Final = "run.json"
_LAKE_FILE: Final = re.compile(r"^\w+/[0-9a-f]{2}/[0-9a-f]{64}\.\w+(\.damaged)?$")
_NIGHT: Final = re.compile(r"^\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True)
class Removal:
    """One file that may go: what it is, where, its bytes, and why."""

    kind: Kind
    path: Path
    size: int
    why: str


@dataclass(frozen=True)
class KeptNight:
    """A night whose report stays, with what it needs."""

    as_of: str
    run_ids: frozenset[str]
    files: frozenset[str]
    snapshots: frozenset[int]


def find_removals(
    site: Site, settings: RetentionSettings, staged: Iterable[str], *, now: datetime
) -> tuple[list[Removal], list[KeptNight]]:
    """Every file that may go, and the nights that stay. `staged` are the drops' accepted rows."""
    kept, gone = split_nights(Path(site.reports_root), settings, now=now)
    fresh = (now - timedelta(days=settings.unused_days)).timestamp()
    removals = [
        *_remove_nights(gone, settings),
        *_remove_runs(Path(site.reports_root) / "runs", kept, settings, now=now),
        *_remove_unneeded(site, kept, staged, settings, fresh=fresh),
        *_remove_locks(Path(site.cache_root) / "locks", settings, fresh=fresh),
        *_remove_unused(settings, now=now),
    ]
    return removals, kept


def split_nights(
    reports: Path, settings: RetentionSettings, *, now: datetime
) -> tuple[list[KeptNight], list[Path]]:
    """Nights that stay, newest first, and the folders of those that go."""
    folders = sorted((p for p in reports.glob("*") if _NIGHT.match(p.name)), reverse=True)
    oldest = now - timedelta(days=settings.nights_days)
    kept: list[KeptNight] = []
    gone: list[Path] = []
    for folder in folders:
        if len(kept) < settings.nights_min or read_time(folder / RUN_FILE) >= oldest:
            kept.append(_read_night(folder))
        else:
            gone.append(folder)
    return kept, gone


def _read_night(folder: Path) -> KeptNight:
    document = read_json(folder / RUN_FILE) or {}
    runs = {document.get("run_id"), document.get("repeats")} - {None}
    return KeptNight(
        as_of=folder.name,
        run_ids=frozenset(str(run) for run in runs),
        files=frozenset(ref["path"] for ref in document.get("files", ())),
        snapshots=frozenset(n for n in (document.get("snapshots") or {}).values() if n is not None),
    )


def read_time(path: Path) -> datetime:
    """When a file was last written; long ago when it is not there."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return datetime.fromtimestamp(0, UTC)


def _remove_nights(folders: Sequence[Path], settings: RetentionSettings) -> Iterator[Removal]:
    why = f"the night ran over {settings.nights_days} days ago and {settings.nights_min} newer ones stay"
    for folder in folders:
        yield from _remove_files(folder, "reports", why)


def _remove_runs(
    runs: Path, kept: Sequence[KeptNight], settings: RetentionSettings, *, now: datetime
) -> Iterator[Removal]:
    named = {run for night in kept for run in night.run_ids}
    oldest = now - timedelta(days=settings.runs_days)
    why = f"no kept night was made by it, and it ran over {settings.runs_days} days ago"
    for folder in sorted(runs.glob("*")):
        if folder.name not in named and folder.is_dir():
            newest = max((read_time(path) for path in folder.iterdir()), default=read_time(folder))
            if newest < oldest:
                yield from _remove_files(folder, "run folders", why)


def _remove_files(folder: Path, kind: Kind, why: str) -> Iterator[Removal]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield Removal(kind, path, path.stat().st_size, why)


def _remove_unneeded(
    site: Site,
    kept: Sequence[KeptNight],
    staged: Iterable[str],
    settings: RetentionSettings,
    *,
    fresh: float,
) -> Iterator[Removal]:
    results = {path: set(read_result(path)) for path in list_results(site)}
    roots = {name for night in kept for name in night.files} | set(staged)
    young = {path for path in results if path.stat().st_mtime >= fresh}
    roots |= {name for path in young for name in results[path]}
    needed, used = follow_results(roots, results)
    age = f"older than {settings.unused_days} days"
    for path in sorted(results.keys() - used - young):
        why = f"it names no file that a kept night or drop needs, and is {age}"
        yield Removal("task results", path, path.stat().st_size, why)
    for path, size in list_old_files(Path(site.lake_root), fresh=fresh):
        name = str(path.relative_to(site.lake_root))
        if name in needed:
            continue
        if path.name.startswith(".tmp-") or path.name.endswith(".damaged"):
            yield Removal("drafts", path, size, f"left behind by a killed run, {age}")
        elif _LAKE_FILE.match(name):
            why = f"no kept night, drop or needed result names it, and it is {age}"
            yield Removal("lake files", path, size, why)


def list_old_files(root: Path, *, fresh: float) -> Iterator[tuple[Path, int]]:
    """(file, bytes) of what was not written since the time `fresh`; runs at work may move the others."""
    for path, about in _look_at(sorted(root.rglob("*"))):
        if stat.S_ISREG(about.st_mode) and about.st_mtime < fresh:
            yield path, about.st_size


def list_results(site: Site) -> list[Path]:
    """Files of task results."""
    folder = Path(site.cache_root) / "results"
    return [p for p in sorted(folder.glob("*")) if p.is_file()] if folder.is_dir() else []


def read_result(path: Path) -> Iterator[str]:
    """Names of the lake files that a task's result refers to; none when it cannot be read."""
    document = read_json(path) or {}
    try:
        yield from _find_paths(json.loads(document.get("result") or "null"))
    except (TypeError, ValueError):
        return


def _find_paths(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("path"), str) and "sha256" in value:
            yield value["path"]
        for part in value.values():
            yield from _find_paths(part)
    elif isinstance(value, list):
        for part in value:
            yield from _find_paths(part)


def follow_results(
    roots: Iterable[str], results: Mapping[Path, set[str]]
) -> tuple[set[str], set[Path]]:
    """All files that `roots` need through results, and the results that are needed for them."""
    needed, used = set(roots), set[Path]()
    while True:
        found = {path for path, names in results.items() if path not in used and names & needed}
        if not found:
            return needed, used
        used |= found
        needed |= {name for path in found for name in results[path]}


def _remove_locks(folder: Path, settings: RetentionSettings, *, fresh: float) -> Iterator[Removal]:
    why = f"nobody holds it, and it is older than {settings.unused_days} days"
    for path in sorted(folder.glob("*.lock")) if folder.is_dir() else []:
        if path.stat().st_mtime < fresh:
            yield Removal("locks", path, 0, why)


def _remove_unused(settings: RetentionSettings, *, now: datetime) -> Iterator[Removal]:
    oldest = now - timedelta(days=settings.machine_days)
    why = f"no shop of this machine used it for {settings.machine_days} days; it is made again"
    for paths in list_user_cache():
        files = list(_look_at(paths))
        if not files or max(about.st_mtime for _, about in files) >= oldest.timestamp():
            continue
        if os.access(files[0][0].parent, os.W_OK):  # what cannot be marked as used only looks old
            for path, about in files:
                yield Removal("machine cache", path, about.st_size, why)


def _look_at(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    """Those of `paths` that are still there, with what is known of each; others may move them."""
    for path in paths:
        try:
            about = path.stat()
        except FileNotFoundError:
            continue
        yield path, about


def clear_away(removals: Sequence[Removal]) -> list[Removal]:
    """Remove the files, and folders of nights, runs and conversions that are empty then; what went."""
    done = []
    for removal in removals:
        if removal.kind == "locks":
            if remove_free_lock(removal.path):
                done.append(removal)
            continue
        removal.path.unlink(missing_ok=True)
        done.append(removal)
    for folder in {r.path.parent for r in removals if r.kind in _FOLDERS}:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return done
