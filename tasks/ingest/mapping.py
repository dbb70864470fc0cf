"""The `mapping` source: a TOML file names which column of any table is what.

    delimiter = ";"                     # of CSV files; a comma unless told
    [reviews]
    user_id = "customer"
    item_id = "product"
    reviewed_at = "bought on"
    rating = "stars"
    text = "comment"                    # optional, as title, helpful_votes, total_votes, is_verified
    timestamp_format = "%d/%m/%Y"       # or timestamp_unit = "s" | "ms" | "us" | "ns"

Columns that no entry names are not read. Numbers may have a decimal comma ("12,50", "1.299,00"); "1,299" is a thousand and more.
Tables are `reviews`, `exposures`, `items` and `users`. `context` of exposures and `features` of
users may be a list of columns, which become one JSON object. An `exposure_id` is one row's own: leave out one
that names a whole list.
"""

import tomllib
from pathlib import Path
from typing import Any, Final

import duckdb

from tasks.ingest.formats import FIELDS, OTHER, REQUIRED, TIME_UNITS, Adapter, TableFormat
from tasks.platform.errors import ConfigError
from tasks.platform.schema import TableName
from tasks.platform.sql import read_sql

_FORMAT_KEY: Final = "timestamp_format"
_UNIT_KEY: Final = "timestamp_unit"
_PACKED: Final[dict[TableName, str]] = {"exposures": "context", "users": "features"}
_TIMED: Final[tuple[TableName, ...]] = ("reviews", "exposures")
_EXAMPLE: Final = (
    'for example\n  [reviews]\n  user_id = "customer"\n  item_id = "product"\n'
    '  reviewed_at = "date"\n  rating = "stars"\n  text = "comment"'
)


def read_mapping(path: Path) -> Adapter:
    """The adapter that a mapping file describes. Raises ConfigError, which names what is wrong."""
    document = _read_toml(path)
    delimiter = document.pop("delimiter", ",")
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise _refuse(path, f"delimiter must be one character, found {delimiter!r}")
    unknown = sorted(set(document) - set(FIELDS))
    if unknown or not document:
        found = f"unknown {', '.join(map(repr, unknown))}" if unknown else "no table"
        raise _refuse(path, f"{found}; allowed tables are {', '.join(FIELDS)}, {_EXAMPLE}")
    formats = {
        table: (_read_table(path, table, document[table]),) for table in FIELDS if table in document
    }
    return Adapter(kind="mapping", formats=formats, delimiter=delimiter, has_own_names=True)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problem = "cannot be read" if isinstance(error, OSError) else "is not valid TOML"
        raise ConfigError(
            f"the mapping file {str(path)!r} {problem}: {error}; {_EXAMPLE}"
        ) from error


def _read_table(path: Path, table: TableName, entries: object) -> TableFormat:
    if not isinstance(entries, dict):
        raise _refuse(path, f"{table} must be a table of columns, found {entries!r}; {_EXAMPLE}")
    entries = dict(entries)
    layout = _read_layout(path, table, entries)
    packed = _take_packed(path, table, entries)
    allowed = [name for name in FIELDS[table] if not name.endswith(OTHER)]
    for name, column in entries.items():
        if name not in allowed:
            raise _refuse(path, f"[{table}] has no field {name!r}; it has {', '.join(allowed)}")
        if not isinstance(column, str) or not column.strip():
            raise _refuse(path, f"[{table}] {name} must be the name of a column, found {column!r}")
    missing = [name for name in REQUIRED[table] if name not in entries]
    if missing:
        raise _refuse(path, f"[{table}] needs {', '.join(missing)}; add the columns that hold them")
    return TableFormat(
        columns=entries,
        expected=frozenset([*entries.values(), *packed])
        - {entries[name] for name in REQUIRED[table]},
        time_format=layout,
        packed=packed,
        is_chosen=True,
    )


def _read_layout(path: Path, table: TableName, entries: dict[str, Any]) -> str:
    layout, unit = entries.pop(_FORMAT_KEY, None), entries.pop(_UNIT_KEY, None)
    if (layout is not None or unit is not None) and table not in _TIMED:
        raise _refuse(path, f"[{table}] holds no times; leave {_FORMAT_KEY} and {_UNIT_KEY} out")
    if layout is not None and unit is not None:
        raise _refuse(path, f"[{table}] has both {_FORMAT_KEY} and {_UNIT_KEY}; keep one")
    if unit is not None and unit not in TIME_UNITS:
        raise _refuse(
            path, f"[{table}] {_UNIT_KEY} is {unit!r}; allowed are {', '.join(TIME_UNITS)}"
        )
    if layout is None:
        return str(unit or "auto")
    if not isinstance(layout, str) or not _is_layout(layout):
        raise _refuse(
            path, f"[{table}] {_FORMAT_KEY} is {layout!r}; give one such as '%Y-%m-%d %H:%M'"
        )
    return layout


def _is_layout(layout: str) -> bool:
    if "%" not in layout:
        return False
    with duckdb.connect() as connection:
        try:
            connection.execute(read_sql("staging/try_layout"), {"layout": layout})
        except duckdb.Error:
            return False
    return True


def _take_packed(path: Path, table: TableName, entries: dict[str, Any]) -> tuple[str, ...]:
    name = _PACKED.get(table)
    if name is None or not isinstance(entries.get(name), list):
        return ()
    columns = entries.pop(name)
    if not columns or not all(isinstance(column, str) and column.strip() for column in columns):
        raise _refuse(path, f"[{table}] {name} must be a column or a list of columns")
    return tuple(dict.fromkeys(columns))


def _refuse(path: Path, problem: str) -> ConfigError:
    return ConfigError(f"in the mapping file {str(path)!r}: {problem}")
