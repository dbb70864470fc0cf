"""What sources have delivered: drops found, described and missed; nothing of them is read yet."""

import json
import re
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from tasks.ingest.deliveries import name_import
from tasks.ingest.drops import (
    detect_table,
    drop_files,
    list_drops,
    list_unread,
    refuse_links,
)
from tasks.ingest.fingerprint import Contents, fingerprint_files
from tasks.ingest.publish import (
    read_drops,
)
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.refs import (
    DropRef,
    label_delivery,
)
from tasks.platform.schema import TABLES, TableName
from tasks.platform.settings import SOURCE_NAME, Settings, SourceSettings
from tasks.platform.site import find_home
from tasks.platform.warehouse import Warehouse

TRUTH_FILE = "truth.json"
CONTENTS_FILE = "contents.json"
"""What files of drops were read before, in the folder of an installation."""
MAX_NAMED = 3
GONE_ADVICE = (
    "deleting a drop takes nothing back: put it back, deliver its day corrected, or take it back "
    "with 'whyrec withdraw'"
)


def find_drops(
    settings: Settings, *, until: date, since: date | None = None, is_forced: bool = False
) -> list[DropRef]:
    """Every dated drop of every enabled source in [`since`, `until`], in date order.

    Of files that look as they did when they were last read the content is known; with `is_forced` all
    are read again. A drop that cannot be read says so (`problem`) and leaves the others alone. Raises
    InputError when a source's folder does not exist.
    """
    contents = Contents(find_home(settings) / CONTENTS_FILE, is_read_anew=is_forced)
    found = []
    for source in settings.sources:
        if not source.is_enabled:
            continue
        root = locate_source(source, settings)
        for day in list_drops(root):
            if day <= until and (since is None or day >= since):
                found += _describe_drop(
                    source, settings, f"{root}/{day.isoformat()}", day, contents
                )
    contents.save()
    return sorted(found, key=lambda drop: (drop.drop_id, drop.source, TABLES.index(drop.table)))


def _describe_drop(
    source: SourceSettings, settings: Settings, folder: str, day: date, contents: Contents
) -> list[DropRef]:
    mapping = str(settings.root / source.mapping) if source.mapping else None
    drops = []
    for table, files in drop_files(folder, source.kind).items():
        fingerprint, problem = "", ""
        try:
            refuse_links(files, folder)
            fingerprint = fingerprint_files(files, contents)
        except InputError as error:
            problem = str(error)
        drops.append(
            DropRef(
                source=source.name,
                kind=source.kind,
                table=table,
                drop_id=day.isoformat(),
                drop_date=day,
                fingerprint=fingerprint,
                mapping_fingerprint=fingerprint_files([Path(mapping)]) if mapping else "",
                files=tuple(str(file) for file in files),
                mapping=mapping,
                problem=problem,
            )
        )
    return drops


def describe_import(
    path: str, *, kind: str, source: str, table: TableName | None, mapping: str | None
) -> DropRef:
    """The reference of a bulk file; its place identifies the delivery, whatever it holds by then.

    Without `table` the file itself tells. Raises InputError when it is no file, ConfigError for a
    source that [[sources]] could not name.
    """
    _refuse_odd_name(source)
    require_file(path)
    return DropRef(
        source=source,
        kind=kind,
        table=table or detect_table(path, kind, Path(mapping) if mapping else None),
        drop_id=name_import(path),
        drop_date=None,
        fingerprint=fingerprint_files([path]),
        mapping_fingerprint=fingerprint_files([Path(mapping)]) if mapping else "",
        files=(path,),
        mapping=mapping,
    )


def _refuse_odd_name(source: str) -> None:
    if not re.fullmatch(SOURCE_NAME, source):
        raise ConfigError(
            f"the name {source!r} is none that a source can have; write up to 63 of a-z, 0-9, _ and -, as "
            "[[sources]] does: history under another name than the nights' drops is another source"
        )


def list_drop_dates(settings: Settings, *, until: date) -> list[date]:
    """Days up to `until` that any enabled source has a drop for."""
    days = {
        day
        for source in settings.sources
        if source.is_enabled
        for day in list_drops(locate_source(source, settings))
        if day <= until
    }
    return sorted(days)


def list_delivered(settings: Settings, *, until: date) -> set[str]:
    """Tables of the drops that enabled sources have, as source/drop_id/table; no file is read."""
    roots = {
        source: locate_source(source, settings) for source in settings.sources if source.is_enabled
    }
    return {
        label_delivery(source.name, day.isoformat(), table)
        for source, root in roots.items()
        for day in list_drops(root)
        if day <= until
        for table in drop_files(f"{root}/{day.isoformat()}", source.kind)
    }


def find_unread(settings: Settings, days: Collection[date] | None = None) -> dict[date, list[str]]:
    """Sentences on drops that hold something and nothing that is read, by day; of `days`, or of all."""
    told: dict[date, list[str]] = {}
    for source in settings.sources:
        root = locate_source(source, settings) if source.is_enabled else None
        for day in list_drops(root) if root is not None else ():
            if days is not None and day not in days:
                continue
            if names := list_unread(f"{root}/{day.isoformat()}", source.kind):
                told.setdefault(day, []).append(_tell_unread(f"{source.name} {day}", names))
    return told


def _tell_unread(drop: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return (
        f"nothing in the drop {drop} can be read ({', '.join(names[:MAX_NAMED])}{more}): deliver .json, "
        ".jsonl, .csv, .tsv or .parquet files (text may be gzipped) called reviews, items, users or "
        "exposures, in the folder of the date itself"
    )


def find_gone(
    delivered: Collection[str],
    settings: Settings,
    warehouse: Warehouse,
    *,
    until: date,
    since: date = date.min,
) -> list[tuple[str, str]]:
    """(source, drop id) of dated drops that are published and no longer whole at an enabled source.

    `delivered` is what sources have of [`since`, `until`], as source/drop_id/table. A source that is
    taken out of the settings is not asked after.
    """
    names = {source.name for source in settings.sources if source.is_enabled}
    with warehouse.connect() as connection:
        published = read_drops(connection)
    found = {
        (row["source"], row["drop_id"])
        for label, row in published.items()
        if row["source"] in names
        and row["drop_id"] == str(row["drop_date"])
        and since <= row["drop_date"] <= until
        and label not in delivered
    }
    return sorted(found)


def find_holes(
    gone: Sequence[tuple[str, str]], delivered: Collection[str]
) -> list[tuple[str, str]]:
    """Those of the `gone` drops of which a source still has older ones: it was not tidied up."""
    oldest: dict[str, str] = {}
    for label in sorted(delivered, reverse=True):
        source, drop_id, _ = label.rsplit("/", 2)
        oldest[source] = drop_id
    return [(source, drop_id) for source, drop_id in gone if drop_id >= oldest.get(source, "9")]


def tell_gone(gone: Sequence[tuple[str, str]]) -> str:
    """What it means that published drops are no longer at their source."""
    named = ", ".join(f"{source} {drop_id}" for source, drop_id in gone[:MAX_NAMED])
    more = f" and {len(gone) - MAX_NAMED:,} more" if len(gone) > MAX_NAMED else ""
    if len(gone) == 1:
        return f"one published drop is no longer at its source ({named}): its rows stay published"
    return (
        f"{len(gone):,} published drops are no longer at their source ({named}{more}): their rows "
        "stay published"
    )


def locate_source(source: SourceSettings, settings: Settings) -> str:
    """Path or URL of a source, relative paths taken from the folder of whyrec.toml."""
    return source.path if "://" in source.path else str(settings.root / source.path)


def read_truth(settings: Settings) -> list[dict[str, Any]]:
    """True effects of simulated sources, for the report to show beside the estimates."""
    rows = []
    for source in settings.sources:
        if source.is_enabled and source.kind == "sample":
            path = Path(locate_source(source, settings)) / TRUTH_FILE
            if path.is_file():
                rows += [{"source": source.name, **row} for row in list_truth(path)]
    return rows


def list_truth(path: Path) -> list[dict[str, Any]]:
    """Rows of attribute, contrast and value from a sample world's truth.json."""
    effects = json.loads(path.read_text(encoding="utf-8"))["effects"]
    return [
        {"attribute": attribute, "contrast": contrast, "value": value}
        for attribute, contrasts in sorted(effects.items())
        for contrast, value in sorted(contrasts.items())
    ]


def require_file(path: str) -> None:
    """Raise InputError unless `path` is a file that can be opened (or a URL)."""
    if "://" in path:
        return
    if not Path(path).exists():
        raise InputError(f"there is no file at {path}; check the path")
    if Path(path).is_dir():
        raise InputError(
            f"{path} is a folder; give the file to import, or list it as a source in whyrec.toml"
        )
