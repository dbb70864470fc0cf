"""Versions of the warehouse's tables: forward only, and all of a step or nothing.

`sql/<layer>/<table>_create.sql` is a table as it is today: adding a table is adding that file.
`sql/migrations/NNN_<what>.sql` changes a table that exists in older warehouses. A new warehouse is
created as of today; an older one gets what it lacks, in order; one made by a newer whyrec is refused.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Final

import duckdb

from tasks.platform.errors import ConfigError
from tasks.platform.sql import read_sql

LAYERS: Final = ("raw", "quarantine", "clean", "marts")
VERSIONS_TABLE: Final = ("raw", "migrations")
_FOLDER: Final = "migrations"
_QUALIFIED: Final = re.compile(rf"\b({'|'.join(LAYERS)})\.(\w+)")

Table = tuple[str, str]
"""Layer and name of a table."""


@dataclass(frozen=True)
class Migration:
    """One step forward: its number, its name, the table that it changes, and the statement's name."""

    number: int
    name: str
    table: Table
    statement: str


@cache
def list_statements(layer: str, ending: str) -> dict[Table, str]:
    """Table -> name of its statement, for every `sql/<layer>/<table>_<ending>.sql`."""
    names = sorted(path.name for path in resources.files("sql").joinpath(layer).iterdir())
    tables = [n.removesuffix(f"_{ending}.sql") for n in names if n.endswith(f"_{ending}.sql")]
    return {(layer, table): f"{layer}/{table}_{ending}" for table in tables}


@cache
def list_tables() -> dict[Table, str]:
    """Every table of today -> name of the statement that creates it."""
    return {
        table: name for layer in LAYERS for table, name in list_statements(layer, "create").items()
    }


@cache
def list_migrations() -> tuple[Migration, ...]:
    """Every step, in order; raises ConfigError when their numbers are not 1, 2, 3 and so on."""
    names = sorted(path.name for path in resources.files("sql").joinpath(_FOLDER).iterdir())
    steps = [_read_migration(name.removesuffix(".sql")) for name in names if name.endswith(".sql")]
    if [step.number for step in steps] != list(range(1, len(steps) + 1)):
        raise ConfigError(
            f"sql/{_FOLDER} holds {', '.join(names)}; numbers must run from 001 without a gap, reinstall whyrec"
        )
    return tuple(steps)


def _read_migration(name: str) -> Migration:
    statement = f"{_FOLDER}/{name}"
    code = "\n".join(line.split("--")[0] for line in read_sql(statement).splitlines())
    found = _QUALIFIED.search(code)
    if found is None:
        raise ConfigError(
            f"sql/{statement}.sql names no table; write it as <layer>.<table>, layers are {', '.join(LAYERS)}"
        )
    return Migration(int(name[:3]), name, (found[1], found[2]), statement)


def find_version() -> int:
    """The version that this code works with."""
    return len(list_migrations())


def find_tables(connection: duckdb.DuckDBPyConnection) -> set[Table]:
    """The tables that the warehouse has."""
    rows = connection.execute(read_sql("raw/tables_select")).fetchall()
    return {(row[0], row[1]) for row in rows}


def read_version(connection: duckdb.DuckDBPyConnection, tables: set[Table]) -> int:
    """The version of the warehouse, 0 when it was made before versions were kept.

    Raises ConfigError when it is newer than this code.
    """
    if VERSIONS_TABLE not in tables:
        return 0
    row = connection.execute(read_sql("raw/migrations_select")).fetchone()
    found, writer = (int(row[0]), row[1]) if row else (0, None)
    if found > find_version():
        raise ConfigError(
            f"the warehouse has tables of version {found}, brought there by whyrec {writer}; "
            f"this whyrec {version('whyrec')} knows versions up to {find_version()} and will not touch it. "
            "Install that whyrec, or restore a backup made before ('whyrec restore')"
        )
    return found


def is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """True when no table is missing and none is of an older version; raises ConfigError as above."""
    tables = find_tables(connection)
    return set(list_tables()) <= tables and read_version(connection, tables) == find_version()


def bring_forward(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing, and change what is older; to be called inside one transaction.

    A step that changes a table which was not there before is passed over: the table is created as
    of today. Raises ConfigError as `read_version` does.
    """
    before = find_tables(connection)
    start = read_version(connection, before)
    for layer in LAYERS:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {layer}")
    for step in list_migrations()[start:]:
        if step.table in before:
            connection.execute(read_sql(step.statement))
    for table in list_tables().keys() - before:
        connection.execute(read_sql(list_tables()[table]))
        if split := list_statements(table[0], "partition").get(table):
            connection.execute(read_sql(split))
    for step in list_migrations()[start:]:
        connection.execute(
            read_sql("raw/migrations_insert"),
            {
                "version": step.number,
                "name": step.name,
                "whyrec_version": version("whyrec"),
            },
        )
