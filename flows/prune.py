"""Clearing away what no kept night needs, and what a dry run says of it."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.platform.backup import copy_catalog, hold_keep_lock
from tasks.platform.errors import InputError
from tasks.platform.retention import KeptNight, Removal, clear_away, find_removals
from tasks.platform.runs import make_run_id
from tasks.platform.settings import RetentionSettings, Settings
from tasks.platform.site import Site, resolve_site
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext
from tasks.platform.warehouse import Warehouse, fetch_dicts
from tasks.report import task as report

DATA = "data files"
SNAPSHOTS = "snapshots"


@dataclass(frozen=True)
class PrunePlan:
    """What may go: files, snapshots by number, and data files (path, bytes) that only those need.

    `data` is None when it cannot be known before (a catalog in PostgreSQL).
    """

    kept: tuple[str, ...]
    removals: tuple[Removal, ...]
    snapshots: tuple[int, ...]
    data: tuple[tuple[str, int], ...] | None
    why_snapshots: str = ""
    merged: dict[str, int] = field(default_factory=dict)


def plan_prune(settings: Settings, *, now: datetime) -> PrunePlan:
    """Look at everything and remove nothing."""
    site, rules = resolve_site(settings), settings.retention
    if site.warehouse.is_absent:
        raise InputError(
            f"there is no warehouse at {site.warehouse.catalog_path}; check [paths] home, or run a night"
        )
    with site.warehouse.connect() as connection:
        drops = fetch_dicts(
            connection, read_sql("raw/drops_select"), {"source": None, "table_name": None}
        )
    staged = [row["staged_path"] for row in drops]
    removals, kept = find_removals(site, rules, staged, now=now)
    snapshots = find_snapshots(site.warehouse, kept, rules, now=now)
    return PrunePlan(
        kept=tuple(night.as_of for night in kept),
        removals=tuple(removals),
        snapshots=tuple(snapshots),
        data=foresee_data(site, snapshots),
        why_snapshots=f"older than {rules.snapshots_days} days and read by no kept night",
    )


def find_snapshots(
    warehouse: Warehouse, kept: Sequence[KeptNight], rules: RetentionSettings, *, now: datetime
) -> list[int]:
    """Numbers of the snapshots to give up: old, not the newest, and read by no kept night."""
    with warehouse.connect() as connection:
        rows = connection.execute(read_sql("raw/snapshots_select")).fetchall()
    named = {number for night in kept for number in night.snapshots}
    oldest = now - timedelta(days=rules.snapshots_days)
    return [number for number, at in rows[:-1] if number not in named and at < oldest]


def foresee_data(site: Site, snapshots: Sequence[int]) -> tuple[tuple[str, int], ...] | None:
    """Data files that would go with `snapshots`, found by giving them up in a copy of the catalog."""
    catalog = site.warehouse.catalog_path
    if catalog is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "catalog.sqlite"
        copy_catalog(catalog, copy)
        with Warehouse(f"sqlite:{copy}", site.data).connect_alone() as connection:
            if snapshots:
                connection.execute(read_sql("raw/snapshots_expire"), {"versions": list(snapshots)})
            rows = connection.execute(read_sql("raw/old_files_clean"), {"dry_run": True}).fetchall()
    return tuple((row[0], _size_of(row[0])) for row in rows)


def _size_of(path: str) -> int:
    file = Path(path)
    return file.stat().st_size if file.is_file() else 0


def prune(settings: Settings, *, now: datetime) -> PrunePlan:
    """Remove what the plan names; what was removed."""
    site = resolve_site(settings)
    with hold_keep_lock(site):
        plan = plan_prune(settings, now=now)
        data, merged = maintain_warehouse(
            site.warehouse, plan, is_merging=settings.retention.is_merging
        )
        done = clear_away(plan.removals)
        if any(removal.kind == "reports" for removal in done):
            run = RunContext(run_id=make_run_id(), events="", site=site, text=settings.text)
            report.write_index(run)
    return PrunePlan(
        plan.kept,
        tuple(done),
        plan.snapshots,
        data,
        why_snapshots=plan.why_snapshots,
        merged=merged,
    )


def maintain_warehouse(
    warehouse: Warehouse, plan: PrunePlan, *, is_merging: bool
) -> tuple[tuple[tuple[str, int], ...], dict[str, int]]:
    """Give up the plan's snapshots, remove their files, merge small ones.

    Files that were merged stay until the next time, for readers who have them open.
    """
    sizes = dict(plan.data or ())
    with warehouse.hold_writers(), warehouse.connect() as connection:
        if plan.snapshots:
            connection.execute(read_sql("raw/snapshots_expire"), {"versions": list(plan.snapshots)})
        rows = connection.execute(read_sql("raw/old_files_clean"), {"dry_run": False}).fetchall()
    merged = warehouse.merge_files() if is_merging else []
    totals = {
        name: sum(int(row.get(name) or 0) for row in merged)
        for name in ("files_processed", "files_created")
    }
    return tuple((row[0], sizes.get(row[0], 0)) for row in rows), totals


def describe_prune(plan: PrunePlan) -> dict[str, Any]:
    """The plan, or what was done, as files and bytes by kind and reason."""
    groups: dict[tuple[str, str], list[int]] = {}
    for removal in plan.removals:
        groups.setdefault((removal.kind, removal.why), []).append(removal.size)
    if plan.snapshots:
        groups[SNAPSHOTS, plan.why_snapshots] = [0] * len(plan.snapshots)
    if plan.data:
        groups[DATA, "no snapshot that stays needs it"] = [size for _, size in plan.data]
    rows = [
        {"kind": kind, "files": len(sizes), "bytes": sum(sizes), "why": why}
        for (kind, why), sizes in groups.items()
    ]
    return {
        "nights_kept": len(plan.kept),
        "removed": rows,
        "files": sum(row["files"] for row in rows if row["kind"] != SNAPSHOTS),
        "bytes": sum(row["bytes"] for row in rows),
        "snapshots": list(plan.snapshots),
        "is_data_known": plan.data is not None,
        "merged": plan.merged,
    }
