"""Checks of where things lie: may they be written, is there room, do locks hold, is the warehouse usable."""

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from flows.doctor.setup import Finding
from tasks.platform.catalog import show_catalog
from tasks.platform.migrations import find_tables, find_version, list_tables, read_version
from tasks.platform.runs import read_events
from tasks.platform.settings import Settings
from tasks.platform.site import Site

NEEDED_FREE_BYTES: Final = 2 * 2**30
OVER_NETWORK: Final = (
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "9p", "afs",
    "ceph", "fuse.ceph", "glusterfs", "fuse.glusterfs", "lustre",
)  # fmt: skip
MOUNTS: Final = Path("/proc/mounts")
DEAD_AFTER_S: Final = timedelta(days=1).total_seconds()


def list_places(site: Site) -> dict[str, Path]:
    """Every local folder that whyrec writes to."""
    places = {
        "lake": site.lake_root, "cache": site.cache_root, "reports": site.reports_root,
        "warehouse data": site.data,
    }  # fmt: skip
    local = {name: Path(place) for name, place in places.items() if "://" not in place}
    if site.warehouse.catalog_path is not None:
        local["catalog"] = site.warehouse.catalog_path.parent
    return local


def find_existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    while not folder.exists():
        folder = folder.parent
    return folder


def check_writing(_settings: Settings, site: Site) -> Finding:
    """Whether every place can be written."""
    for name, place in list_places(site).items():
        folder = find_existing(place)
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            found = f"{folder} (for the {name}) cannot be written by user {os.geteuid()}"
            return Finding("writing", False, found, "change its owner, or move [paths] home")
    return Finding("writing", True, "every place can be written")


def check_disk(_settings: Settings, site: Site) -> Finding:
    """Whether there is room where things lie."""
    free = {}
    for place in list_places(site).values():
        folder = find_existing(place)
        free[folder] = shutil.disk_usage(folder).free
    folder = min(free, key=lambda one: free[one])
    found = f"{free[folder] / 2**30:.1f} GiB free at {folder}"
    if free[folder] >= NEEDED_FREE_BYTES:
        return Finding("disk", True, found)
    advice = "a night may need 2 GiB: look at 'whyrec prune --dry-run', or move [paths] home"
    return Finding("disk", False, found, advice)


def check_locks(_settings: Settings, site: Site) -> Finding:
    """Whether file locks can be trusted where the catalog and the cache lie."""
    for name in ("catalog", "cache"):
        place = list_places(site).get(name)
        kind = find_file_system(place) if place is not None else ""
        if kind in OVER_NETWORK:
            found = f"the {name} lies on a network file system ({kind}) at {place}"
            advice = (
                "locks between machines do not hold there: two nights could write at once. Keep [paths] "
                "home on a local disk, or use a catalog in PostgreSQL (warehouse.catalog)"
            )
            return Finding("locks", False, found, advice)
    return Finding("locks", True, "on a local disk")


def find_file_system(place: Path) -> str:
    """The kind of file system that a path lies on; empty where that cannot be told."""
    path, found, length = find_existing(place).resolve(), "", -1
    if not MOUNTS.is_file():
        return ""
    for line in MOUNTS.read_text(encoding="utf-8").splitlines():
        parts = line.split()
        mount = Path(parts[1].replace("\\040", " "))
        if len(mount.parts) > length and (path == mount or mount in path.parents):
            found, length = parts[2], len(mount.parts)
    return found


def check_warehouse(_settings: Settings, site: Site) -> Finding:
    """Whether the warehouse can be read, and is of a version that this code knows."""
    if site.warehouse.is_absent:
        found = f"none yet at {site.warehouse.catalog_path}; the first night or import makes it"
        return Finding("warehouse", True, found)
    with site.warehouse.connect() as connection:
        tables = find_tables(connection)
        version = read_version(connection, tables)
    where, snapshot = show_catalog(site.catalog), site.warehouse.read_snapshot()
    found = f"{where}, tables of version {version}, snapshot {snapshot}"
    missing = set(list_tables()) - tables
    if version < find_version() or missing:
        advice = (
            f"the next night brings it to version {find_version()}, and there is no way back: "
            "make a copy first ('whyrec backup FOLDER')"
        )
        return Finding("warehouse", True, found, advice)
    return Finding("warehouse", True, found)


def check_runs(_settings: Settings, site: Site) -> Finding:
    """Nights that began and never ended (publishing drops for a backfill leaves no account)."""
    runs = Path(site.reports_root) / "runs"
    dead = [
        path.parent.name
        for path in sorted(runs.glob("*/events.jsonl"))
        if not path.with_name("run.json").exists()
        and time.time() - path.stat().st_mtime > DEAD_AFTER_S
        and {event.stage for event in read_events(path)} - {"ingest", "quality"}
    ]
    if not dead:
        return Finding("runs", True, "every run that began has ended")
    found = f"{len(dead)} runs were killed before they ended, the last is {dead[-1]}"
    advice = (
        "run those nights again, finished tasks are kept; 'whyrec prune' clears the folders away"
    )
    return Finding("runs", True, found, advice)
