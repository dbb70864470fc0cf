"""Drops in a folder: `<path>/2024-03-01/` holds what a source delivered for that date."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from tasks.ingest.files import ZIPPED, check_source, find_format, is_url
from tasks.ingest.formats import BUILT_IN, Adapter, score_format
from tasks.ingest.mapping import read_mapping
from tasks.ingest.peek import peek_columns
from tasks.platform.errors import ConfigError, InputError
from tasks.platform.schema import TABLES, TableName

_PREFIXES: Final[dict[str, TableName]] = {
    "reviews": "reviews",
    "exposures": "exposures",
    "items": "items",
    "meta": "items",
    "users": "users",
}
_KINDS: Final = (*BUILT_IN, "mapping")


@dataclass(frozen=True)
class _Entry:
    """Something in a folder: `location` as it is to be opened."""

    name: str
    location: Path | str
    is_folder: bool


def get_adapter(kind: str, mapping_path: Path | None = None) -> Adapter:
    """The adapter of a kind of source; `mapping` wants its TOML file.

    Raises ConfigError for an unknown kind, a mapping file that is missing, unreadable or wrong, or
    one that is given to a kind that has no use for it.
    """
    if kind not in _KINDS:
        raise ConfigError(f"unknown kind of source {kind!r}; allowed are {', '.join(_KINDS)}")
    if kind != "mapping":
        if mapping_path is not None:
            raise ConfigError(f"{kind!r} knows its columns; leave the mapping out or use 'mapping'")
        return BUILT_IN[kind]
    if mapping_path is None:
        raise ConfigError("a source of kind 'mapping' needs a TOML file that names its columns")
    return read_mapping(mapping_path)


def detect_table(path: Path | str, kind: str, mapping_path: Path | None = None) -> TableName:
    """Which table a file holds, by its columns; reviews (or what a mapping has) when it shows none.

    Raises InputError when the file cannot be read, ConfigError as `get_adapter`.
    """
    adapter = get_adapter(kind, mapping_path)
    columns = peek_columns(check_source(path), delimiter=adapter.delimiter)
    present = set(columns)
    scores = {
        table: max(score_format(each, table, present) for each in formats)
        for table, formats in adapter.formats.items()
    }
    if not any(read for _, read, _ in scores.values()):
        return "reviews" if "reviews" in scores else next(iter(scores))
    order = [table for table in ("reviews", *TABLES) if table in scores]
    return max(dict.fromkeys(order), key=lambda table: scores[table])


def list_drops(path: Path | str) -> list[date]:
    """Dates of the drops in a folder, ascending. Raises InputError when there is no such folder."""
    return sorted(
        day
        for entry in _list_folder(path)
        if entry.is_folder and (day := _read_date(entry.name)) is not None
    )


def list_ignored(path: Path | str) -> list[str]:
    """Names in a folder of drops that are no drops, in order; hidden ones aside."""
    return sorted(
        entry.name
        for entry in _list_folder(path)
        if not entry.name.startswith((".", "_"))
        and not (entry.is_folder and _read_date(entry.name) is not None)
    )


def drop_files(folder: Path | str, kind: str) -> dict[TableName, list[Path | str]]:
    """Files of one drop by table, each list in order of name; other files are left alone.

    Names begin with `reviews`, `exposures`, `items` (or `meta`) or `users`; sources other than
    `sample` may name files of reviews as they like. Where links in it lead is for `refuse_links`.
    Raises InputError when the folder is missing.
    """
    if kind not in _KINDS:
        raise ConfigError(f"unknown kind of source {kind!r}; allowed are {', '.join(_KINDS)}")
    has_own_names = kind == "mapping" or BUILT_IN[kind].has_own_names
    found: dict[TableName, list[Path | str]] = {}
    for entry in sorted(_list_folder(folder), key=lambda each: each.name):
        table = None if entry.is_folder else _name_table(entry.name, has_own_names)
        if table is not None and (kind == "mapping" or table in BUILT_IN[kind].formats):
            found.setdefault(table, []).append(entry.location)
    return {table: found[table] for table in TABLES if table in found}


def refuse_links(files: Sequence[Path | str], folder: Path | str) -> None:
    """Raise InputError for a file of the drop `folder` that is a link out of it."""
    root = Path(folder).resolve()
    for file in files:
        if isinstance(file, Path) and not file.resolve().is_relative_to(root):
            raise InputError(
                f"{file.name!r} in the drop {root.name!r} is a link that leaves the drop; "
                "deliver the file itself"
            )


def list_unread(folder: Path | str, kind: str) -> list[str]:
    """Names in a drop none of whose files is read, folders with a slash; empty where any file is read."""
    if drop_files(folder, kind):
        return []
    return sorted(
        f"{entry.name}/" if entry.is_folder else entry.name
        for entry in _list_folder(folder)
        if not entry.name.startswith((".", "_"))
    )


def _name_table(name: str, has_own_names: bool) -> TableName | None:
    """The table that a file's name stands for, None for a file that is no data."""
    if name.startswith((".", "_")):
        return None
    try:
        find_format(name)
    except InputError:
        return None
    stem = name.lower()
    for ending in ZIPPED:
        stem = stem.removesuffix(ending)
    stem = stem.rsplit(".", 1)[0]
    for prefix, table in _PREFIXES.items():
        rest = stem.removeprefix(prefix)
        if rest != stem and not rest[:1].isalpha():
            return table
    return "reviews" if has_own_names else None


def _read_date(name: str) -> date | None:
    """The date of a folder called YYYY-MM-DD, else None."""
    try:
        found = date.fromisoformat(name)
    except ValueError:
        return None
    # ISO 8601 has other ways to write a date ("20240301", "2024-W09-5"), under which no drop is looked for
    return found if found.isoformat() == name else None


def _list_folder(path: Path | str) -> list[_Entry]:
    if is_url(path):
        return list(_list_url(str(path)))
    folder = Path(path)
    if not folder.is_dir():
        problem = "is a file, not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{str(folder)!r} {problem}; a source is a folder of dated drops")
    try:
        return [_Entry(each.name, each, each.is_dir()) for each in folder.iterdir()]
    except OSError as error:
        raise InputError(f"cannot list {str(folder)!r}: {error}; check its permissions") from error


def _list_url(url: str) -> Iterator[_Entry]:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(url)
        found = filesystem.ls(root, detail=True)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"cannot list {url!r}: {error}; check the URL and its access") from error
    for each in found:
        name = str(each["name"]).rstrip("/").rsplit("/", 1)[-1]
        yield _Entry(name, f"{url.rstrip('/')}/{name}", each.get("type") == "directory")
