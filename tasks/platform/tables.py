"""What every table and column holds, read out of the statements that create them.

A create statement states its grain in the comment above, and every column on a line of its own with a
comment behind it. `sql/TABLES.md` is made of that (`whyrec tables --markdown`), never written by hand.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from tasks.platform.errors import ConfigError, InputError
from tasks.platform.migrations import list_tables
from tasks.platform.sql import read_sql
from tasks.platform.warehouse import fetch_dicts

_COLUMN: Final = re.compile(r"^ {4}(\w+) ([A-Z]+(?:\[\])?),?(?:  -- (.+))?$")
_INTRO: Final = """# Tables of the warehouse

Made of the statements in `sql/<layer>/<table>_create.sql` by `whyrec tables --markdown`; a test holds the
two together. Layers: `raw` (what was delivered), `quarantine` (rows refused, and why), `clean` (published
rows, after the gate), `marts` (what nights conclude). Times are UTC.
"""


@dataclass(frozen=True)
class Column:
    """One column: its name, its DuckDB type, and what it holds."""

    name: str
    kind: str
    about: str


@dataclass(frozen=True)
class TableDoc:
    """One table: its name with its layer, what a row is, and its columns in order."""

    name: str
    grain: str
    columns: tuple[Column, ...]


def describe_tables(names: Sequence[str] = ()) -> list[TableDoc]:
    """Every table, or those named; raises InputError for one that is not there."""
    known = {f"{layer}.{table}": name for (layer, table), name in list_tables().items()}
    if absent := [name for name in names if name not in known]:
        raise InputError(f"there is no table {absent[0]}; there are {', '.join(known)}")
    return [parse_create(name, read_sql(known[name])) for name in names or known]


def read_last(
    connection: duckdb.DuckDBPyConnection, name: str, *, rows: int
) -> list[dict[str, Any]]:
    """The rows of a table that were written last, at most `rows`; raises InputError as above."""
    describe_tables([name])
    return fetch_dicts(connection, read_sql("catalog/rows_last"), {"name": name, "rows": rows})


def parse_create(name: str, statement: str) -> TableDoc:
    """Read a create statement; raises ConfigError naming what it leaves unsaid."""
    head, _, body = statement.partition(f"CREATE TABLE IF NOT EXISTS {name} (\n")
    grain = " ".join(line.removeprefix("--").strip() for line in head.splitlines())
    columns = []
    for line in body.splitlines():
        if line == ")":
            break
        found = _COLUMN.match(line)
        if found is None or not found[3]:
            raise ConfigError(
                f"the statement that creates {name} has the line {line.strip()!r}; "
                "every column stands on its own line, as: name TYPE,  -- what it holds"
            )
        columns.append(Column(found[1], found[2], found[3].strip()))
    if not grain.startswith("Grain: ") or not columns:
        raise ConfigError(
            f"the statement that creates {name} does not say what a row is; head it with -- Grain: one ..."
        )
    return TableDoc(name, grain.removeprefix("Grain: "), tuple(columns))


def write_markdown(tables: Sequence[TableDoc]) -> str:
    """All tables as one Markdown page."""
    return "\n".join([_INTRO, *(_write_table(table) for table in tables)])


def _write_table(table: TableDoc) -> str:
    rows = [
        f"| `{column.name}` | {column.kind} | {column.about.replace('|', chr(92) + '|')} |"
        for column in table.columns
    ]
    grain = table.grain[0].upper() + table.grain[1:]
    return "\n".join(
        [f"## {table.name}", "", grain, "", "| column | type | what |", "|---|---|---|", *rows, ""]
    )
