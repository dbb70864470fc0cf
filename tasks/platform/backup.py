"""A copy of everything that an installation knows, taken while it works, and put back where there is none.

The SQLite catalog is copied by SQLite's own backup, which gives one committed state however many
writers there are. Whatever that state names is immutable and was there before it, so it can be
copied afterwards at leisure: data files, the lake, task results. Reports go first, because a report
is written after what it names. `manifest.json` comes last: a folder without one is no backup.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tasks.platform.errors import ConfigError, InputError, StorageError
from tasks.platform.lake import hash_file
from tasks.platform.locks import hold_lock
from tasks.platform.runs import read_json, write_json
from tasks.platform.site import Site
from tasks.platform.sql import read_sql

MANIFEST: Final = "manifest.json"
UNFINISHED: Final = "manifest.unfinished.json"
"""The manifest's name while a backup is being added to."""
CATALOG: Final = "catalog.sqlite"
KEEP_LOCK: Final = "keep.lock"
"""Held by whoever copies or clears away, so that neither happens beside the other."""
_CHUNK_BYTES: Final = 1 << 20
_PARTS: Final = ("reports", "data", "lake", "results")


@dataclass(frozen=True)
class BackupAccount:
    """What was copied: files and bytes by part, and how many of the files were there already."""

    folder: str
    snapshot: int
    files: dict[str, int]
    size: dict[str, int]
    skipped: int


def back_up(site: Site, folder: Path, *, now: datetime) -> BackupAccount:
    """Copy everything to `folder`, which is new or holds an earlier backup of the same installation.

    Raises ConfigError for a warehouse that is not all local files, InputError for a folder that holds
    something else, and StorageError when a file that the catalog names is missing.
    """
    catalog = find_catalog(site)
    if not catalog.is_file():
        raise InputError(f"there is no warehouse at {catalog} to back up; check [paths] home")
    if (folder / MANIFEST).is_file():
        (folder / MANIFEST).replace(folder / UNFINISHED)
    earlier = read_json(folder / UNFINISHED)
    if earlier is None and folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} holds files but is no backup; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    known = (earlier or {"files": {}})["files"]
    write_json(folder / UNFINISHED, earlier or {"files": {}})
    with hold_keep_lock(site):
        found = {**_copy_tree(Path(site.reports_root), folder, "reports", {})}
        draft = folder / f".{CATALOG}.{os.getpid()}"
        copy_catalog(catalog, draft)
        for name, source in _list_data(draft, Path(site.data)):
            found[f"data/{name}"] = _copy_file(source, folder, f"data/{name}", known)
        found |= _copy_tree(Path(site.lake_root), folder, "lake", known)
        found |= _copy_tree(Path(site.cache_root) / "results", folder, "results", known)
        draft.replace(folder / CATALOG)
    found[CATALOG] = {
        "size": (folder / CATALOG).stat().st_size,
        "sha256": hash_file(folder / CATALOG),
    }
    snapshot = _read_snapshot(folder / CATALOG)
    skipped = sum(bool(about.pop("is_known", False)) for about in found.values())
    document = {"whyrec": version("whyrec"), "made_at": now, "snapshot": snapshot, "files": found}
    write_json(folder / MANIFEST, document)
    (folder / UNFINISHED).unlink()
    return BackupAccount(str(folder), snapshot, *_total(found), skipped)


def restore(site: Site, folder: Path) -> BackupAccount:
    """Put a backup where the settings say; the catalog comes last, so that a kill leaves no half.

    Raises InputError when `folder` is no whole backup or there is a warehouse already.
    """
    manifest, catalog = read_json(folder / MANIFEST), find_catalog(site)
    if manifest is None:
        raise InputError(
            f"{folder} has no {MANIFEST}, so it is no whole backup; name one that is, or run "
            "'whyrec backup' on it again if it was killed"
        )
    if catalog.exists():
        raise InputError(
            f"there is a warehouse at {catalog} already; move [paths] home away first, or name another"
        )
    places = {
        "reports": Path(site.reports_root), "data": Path(site.data), "lake": Path(site.lake_root),
        "results": Path(site.cache_root) / "results",
    }  # fmt: skip
    for name, about in manifest["files"].items():
        part, _, below = name.partition("/")
        target = places[part] / below if below else catalog.with_name(f".{CATALOG}.restored")
        _put_back(folder / name, target, about)
    draft = catalog.with_name(f".{CATALOG}.restored")
    with closing(sqlite3.connect(draft)) as connection, connection:
        connection.execute(read_sql("catalog/data_path_update"), [site.warehouse.data_folder])
    draft.replace(catalog)
    return BackupAccount(str(folder), manifest["snapshot"], *_total(manifest["files"]), 0)


def find_catalog(site: Site) -> Path:
    """The catalog's file; raises ConfigError when the warehouse does not lie in local files."""
    catalog = site.warehouse.catalog_path
    if catalog is None or "://" in site.data or "://" in site.lake_root:
        raise ConfigError(
            "this warehouse does not lie in local files: back up the PostgreSQL catalog with pg_dump, and "
            "the object store by its own versioning; 'whyrec backup' copies local warehouses"
        )
    return catalog


def hold_keep_lock(site: Site) -> Any:
    """Hold what keeps copying and clearing away apart."""
    return hold_lock(Path(site.cache_root) / KEEP_LOCK, timeout_s=site.lock_timeout_s)


def copy_catalog(source: Path, target: Path) -> None:
    """One committed state of an SQLite catalog, whoever writes to it meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=60)) as connection,
        closing(sqlite3.connect(target)) as copy,
    ):
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _read_snapshot(catalog: Path) -> int:
    with closing(sqlite3.connect(catalog)) as connection:
        row = connection.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchone()
    return int(row[0])


def _list_data(catalog: Path, data: Path) -> Iterator[tuple[str, Path]]:
    """(name below the data folder, path) of every file that the catalog names."""
    with closing(sqlite3.connect(catalog)) as connection:
        rows = connection.execute(read_sql("catalog/data_files_select")).fetchall()
    for schema, table, file, is_below in sorted(set(rows)):
        if not is_below:
            raise ConfigError(
                f"the catalog names {file} outside {data}; only data below that folder can be copied"
            )
        name = f"{schema}{table}{file}"
        if not (data / name).is_file():
            raise StorageError(
                f"{data / name} is missing, though the catalog names it; run 'whyrec doctor'"
            )
        yield name, data / name


def _copy_tree(root: Path, folder: Path, part: str, known: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for path in sorted(root.rglob("*")) if root.is_dir() else []:
        if path.is_symlink() or not path.is_file() or path.name.startswith("."):
            continue
        name = f"{part}/{path.relative_to(root)}"
        try:
            found[name] = _copy_file(path, folder, name, known)
        except FileNotFoundError:
            continue  # a draft that was renamed, or a run folder that was just cleared away
    return found


def _copy_file(source: Path, folder: Path, name: str, known: dict[str, Any]) -> dict[str, Any]:
    """Copy one file; one of the same size that an earlier backup knows is immutable and stays."""
    target = folder / name
    about = known.get(name)
    if (
        about
        and target.is_file()
        and source.stat().st_size == target.stat().st_size == about["size"]
    ):
        return {**about, "is_known": True}
    target.parent.mkdir(parents=True, exist_ok=True)
    draft, digest, size = target.with_name(f".{target.name}.{os.getpid()}"), hashlib.sha256(), 0
    with source.open("rb") as reader, draft.open("wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
            size += len(chunk)
    shutil.copystat(source, draft)
    draft.replace(target)
    return {"size": size, "sha256": digest.hexdigest()}


def _put_back(source: Path, target: Path, about: dict[str, Any]) -> None:
    if not source.is_file() or hash_file(source) != about["sha256"]:
        raise StorageError(
            f"{source} is missing or does not hold the bytes that were copied; use another backup"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy2(source, draft)
    draft.replace(target)


def _total(found: dict[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    parts = {name: name.partition("/")[0] if "/" in name else "catalog" for name in found}
    counts = dict.fromkeys(("catalog", *_PARTS), 0)
    sizes = dict(counts)
    for name, about in found.items():
        counts[parts[name]] += 1
        sizes[parts[name]] += int(about["size"])
    return counts, sizes
