"""A warehouse of any earlier version becomes today's, one of a later version is left alone."""

import threading
from pathlib import Path

import duckdb
import pytest

from tasks.platform import migrations
from tasks.platform.errors import ConfigError
from tasks.platform.migrations import (
    LAYERS,
    Migration,
    find_version,
    list_migrations,
    list_tables,
    read_version,
)
from tasks.platform.warehouse import Warehouse

FIRST = Path(__file__).with_name("first_version.sql")
OLD_EFFECT = "INSERT INTO marts.effects BY NAME SELECT DATE '2024-01-01' AS as_of, 's' AS source, 0.5 AS estimate"
Columns = dict[str, list[tuple[str, str]]]


def make(folder: Path) -> Warehouse:
    return Warehouse(f"sqlite:{folder / 'catalog.sqlite'}", str(folder / "data"))


def make_first(folder: Path) -> Warehouse:
    """A warehouse as the first version made it, with a row in it."""
    warehouse = make(folder)
    with warehouse.connect() as connection:
        connection.execute("BEGIN")
        for statement in FIRST.read_text().split(";"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(OLD_EFFECT)
        connection.execute("COMMIT")
    return warehouse


def read_columns(warehouse: Warehouse) -> Columns:
    with warehouse.connect() as connection:
        return {
            f"{layer}.{table}": [
                (row[0], row[1])
                for row in connection.execute(f"DESCRIBE {layer}.{table}").fetchall()
            ]
            for layer, table in sorted(migrations.find_tables(connection))
        }


def version_of(warehouse: Warehouse) -> int:
    with warehouse.connect() as connection:
        return read_version(connection, migrations.find_tables(connection))


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Columns:
    warehouse = make(tmp_path_factory.mktemp("today"))
    warehouse.prepare()
    assert version_of(warehouse) == find_version()
    return read_columns(warehouse)


def test_the_first_version_becomes_todays_column_by_column_and_keeps_its_rows(
    tmp_path: Path, today: Columns
) -> None:
    warehouse = make_first(tmp_path)
    assert version_of(warehouse) == 0
    assert read_columns(warehouse) != today
    warehouse.prepare()
    assert read_columns(warehouse) == today
    assert version_of(warehouse) == find_version()
    with warehouse.connect() as connection:
        found = connection.execute(
            "SELECT source, estimate, estimand FROM marts.effects"
        ).fetchall()
        steps = connection.execute("SELECT version FROM raw.migrations ORDER BY 1").fetchall()
    assert found == [("s", 0.5, None)]
    assert [row[0] for row in steps] == list(range(1, find_version() + 1))


def test_a_warehouse_half_way_there_takes_the_remaining_steps(
    tmp_path: Path, today: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, steps = make_first(tmp_path), list_migrations()
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "list_migrations", lambda: steps[:3])
        warehouse.prepare()
        assert version_of(warehouse) == 3
    warehouse.prepare()
    assert read_columns(warehouse) == today


def test_a_step_that_fails_changes_nothing_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = make_first(tmp_path)
    before, steps = read_columns(warehouse), list_migrations()
    broken = Migration(len(steps) + 1, "broken", ("marts", "effects"), "raw/drops_insert")
    monkeypatch.setattr(migrations, "list_migrations", lambda: (*steps, broken))
    with pytest.raises(duckdb.Error):
        warehouse.prepare()
    assert read_columns(warehouse) == before


def test_a_newer_warehouse_is_refused_in_words_and_left_alone(tmp_path: Path) -> None:
    warehouse = make(tmp_path)
    warehouse.prepare()
    with warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO raw.migrations BY NAME SELECT 999 AS version, '7.0' AS whyrec_version"
        )
    before = warehouse.read_snapshot()
    with pytest.raises(ConfigError, match=r"version 999, brought there by whyrec 7\.0") as refused:
        warehouse.prepare()
    assert str(find_version()) in str(refused.value)
    assert warehouse.read_snapshot() == before


def test_two_that_prepare_at_once_take_each_step_once(tmp_path: Path) -> None:
    warehouse = make_first(tmp_path)
    threads = [threading.Thread(target=warehouse.prepare) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with warehouse.connect() as connection:
        steps = connection.execute("SELECT version FROM raw.migrations ORDER BY 1").fetchall()
    assert [row[0] for row in steps] == list(range(1, find_version() + 1))


def test_every_step_changes_a_table_that_there_is() -> None:
    assert {step.table for step in list_migrations()} <= set(list_tables())
    assert {layer for layer, _ in list_tables()} == set(LAYERS)
