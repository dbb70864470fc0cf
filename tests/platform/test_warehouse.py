"""The warehouse: all of a commit or nothing, readers beside writers, and every night again."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from traceback import format_exception

import duckdb
import pytest

from tasks.platform import warehouse
from tasks.platform.errors import ConfigError, InputError, StorageError, WarehouseBusyError
from tasks.platform.locks import hold_lock, try_lock
from tasks.platform.schema import SCHEMAS
from tasks.platform.warehouse import Warehouse, read_snapshot

ADD = "INSERT INTO marts.published VALUES ('t', 's', DATE '2024-01-01', DATE '2024-01-01', ?, 1)"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warehouse")
    make(folder).prepare()
    return folder


def make(folder: Path, **options: float) -> Warehouse:
    return Warehouse(f"sqlite:{folder / 'catalog.sqlite'}", str(folder / "data"), **options)


def count(warehouse: Warehouse, **options: int) -> int:
    with warehouse.connect(**options) as connection:
        row = connection.execute("SELECT count(*) FROM marts.published").fetchone()
    assert row is not None
    return int(row[0])


def test_preparing_twice_changes_nothing(prepared: Path) -> None:
    before = make(prepared).read_snapshot()
    make(prepared).prepare()
    assert make(prepared).read_snapshot() == before


def test_tables_have_the_canonical_columns(prepared: Path) -> None:
    with make(prepared).connect() as connection:
        for table, schema in SCHEMAS.items():
            columns = [row[0] for row in connection.execute(f"DESCRIBE clean.{table}").fetchall()]
            assert columns == [*schema.names, "drop_id"]


def test_an_error_inside_a_commit_publishes_nothing(prepared: Path) -> None:
    warehouse = make(prepared)
    before = count(warehouse)

    def write(connection: object) -> None:
        connection.execute(ADD, ["x"])  # type: ignore[attr-defined]
        raise ValueError

    with pytest.raises(ValueError):
        warehouse.commit(write, message="fails")
    assert count(warehouse) == before


def test_an_older_snapshot_can_be_read_again(prepared: Path) -> None:
    warehouse = make(prepared)
    before, rows = warehouse.read_snapshot(), count(warehouse)
    warehouse.commit(lambda c: c.execute(ADD, ["y"]) and None, message="adds one", extra={"run": 1})
    assert count(warehouse) == rows + 1
    assert count(warehouse, snapshot=before) == rows
    with warehouse.connect() as connection:
        said = connection.execute(
            "SELECT author, commit_message, commit_extra_info FROM ducklake_snapshots('wh') ORDER BY snapshot_id DESC"
        ).fetchone()
        assert read_snapshot(connection) == before + 1
    assert said == ("whyrec", "adds one", '{"run": 1}')


def test_a_snapshot_that_never_was_is_named(prepared: Path) -> None:
    with pytest.raises(InputError, match="snapshot 99999"):
        count(make(prepared), snapshot=99999)


def test_a_reader_that_stays_does_not_block_a_writer(prepared: Path) -> None:
    warehouse = make(prepared, lock_timeout_s=20)
    with warehouse.connect() as reader:
        seen = reader.execute("SELECT count(*) FROM marts.published").fetchone()
        warehouse.commit(lambda c: c.execute(ADD, ["z"]) and None, message="beside a reader")
        assert seen is not None
    assert count(warehouse) == seen[0] + 1


def test_writers_in_two_processes_and_threads_lose_nothing(prepared: Path) -> None:
    warehouse = make(prepared)
    before = count(warehouse)
    script = (
        "import sys; from tasks.platform.warehouse import Warehouse\n"
        f"w = Warehouse({warehouse.catalog!r}, {warehouse.data!r})\n"
        f"[w.commit(lambda c: c.execute({ADD!r}, ['p']) and None, message='p') for _ in range(3)]\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    threads = [
        threading.Thread(
            target=lambda: warehouse.commit(lambda c: c.execute(ADD, ["t"]) and None, message="t")
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(120) for process in processes] == [0, 0]
    assert count(warehouse) == before + 2 * 3 + 3


def test_a_lock_held_too_long_is_said_in_words(tmp_path: Path) -> None:
    handle = try_lock(tmp_path / "l", timeout_s=1)
    assert handle is not None
    with (
        pytest.raises(WarehouseBusyError, match="lock_timeout_s"),
        hold_lock(tmp_path / "l", timeout_s=0.05),
    ):
        pass


def test_a_file_that_is_no_catalog_is_told_with_what_to_do(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.sqlite"
    catalog.write_text("not a database at all, however long it is " * 50)
    with pytest.raises(ConfigError, match=r"catalog.sqlite is no catalog, .*'whyrec restore'"):
        Warehouse(f"sqlite:{catalog}", str(tmp_path / "data")).prepare()


def test_an_unknown_catalog_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="allowed are"):
        Warehouse("mysql:x", str(tmp_path)).prepare()


@pytest.mark.parametrize("name", ["password=s3cr3t", r"sslpassword = 's3 cr3t\'' user=u"])
def test_a_catalog_that_cannot_be_had_is_told_without_its_password(
    tmp_path: Path, name: str
) -> None:
    catalog = f"postgres:host=127.0.0.1 port=9 {name} dbname=lake"
    with pytest.raises(StorageError, match="refused") as caught:
        Warehouse(catalog, str(tmp_path)).prepare()
    assert "dbname=lake" in str(caught.value)
    assert "cr3t" not in str(caught.value)


def test_a_catalog_that_cannot_be_read_is_refused_without_its_password(tmp_path: Path) -> None:
    for catalog in (
        "postgres://u:s3cr3t@db/x",
        "postgresql://u:s3cr3t@db/x",
        "postgres:user",
        "postgres:postgresql://u:a@s3cr3t@127.0.0.1:9/x",
        "postgres:postgresql://u:s3cr3t/a@127.0.0.1:9/x",
    ):
        with pytest.raises(ConfigError, match=r"warehouse.catalog is .*postgres") as caught:
            Warehouse(catalog, str(tmp_path)).prepare()
        assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("way", ["connect", "connect_alone", "read_together", "hold_writers"])
def test_a_database_lost_in_the_middle_is_told_in_words_and_tried_again(
    tmp_path: Path, way: str
) -> None:
    warehouse = Warehouse(f"sqlite:{tmp_path / 'catalog.sqlite'}", str(tmp_path / "data"))
    warehouse.prepare()
    lost = duckdb.IOException(
        'Failed to query: Unable to connect to Postgres at "host=db password=s3cr3t": gone away'
    )
    with pytest.raises(StorageError, match="cannot be had") as caught, getattr(warehouse, way)():
        raise lost
    assert "s3cr3t" not in "".join(format_exception(caught.value))


def test_an_extension_is_checked_again_when_its_file_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copy(warehouse.find_extension("httpfs"), tmp_path))
    monkeypatch.setattr(warehouse, "find_extension", lambda name: str(copy))
    for _ in range(2):
        with warehouse.connect_with(["httpfs"]) as connection:
            asked = connection.execute("SELECT current_setting('allow_unsigned_extensions')")
            assert asked.fetchone() == (False,)
    with copy.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    with pytest.raises(duckdb.Error, match="signature"):
        warehouse.connect_with(["httpfs"])


def test_an_engine_that_is_let_go_is_opened_anew_while_open_connections_go_on(
    tmp_path: Path,
) -> None:
    warehouse = Warehouse(f"sqlite:{tmp_path / 'c.sqlite'}", str(tmp_path / "data"))
    warehouse.commit(lambda c: c.execute("CREATE TABLE wh.t AS SELECT 1 AS a"), message="t")
    with warehouse.connect() as held:
        warehouse.let_go()
        warehouse.let_go()
        warehouse.commit(lambda c: c.execute("INSERT INTO wh.t VALUES (2)"), message="t")
        assert held.execute("SELECT sum(a) FROM wh.t").fetchone() == (3,)
    with warehouse.connect() as fresh:
        assert fresh.execute("SELECT count(*) FROM wh.t").fetchone() == (2,)


def test_questions_asked_together_see_one_state_and_later_ones_the_next(tmp_path: Path) -> None:
    warehouse = Warehouse(f"sqlite:{tmp_path / 'c.sqlite'}", str(tmp_path / "data"))
    warehouse.commit(lambda c: c.execute("CREATE TABLE wh.t AS SELECT 1 AS a"), message="t")
    count = "SELECT count(*) FROM wh.t"
    with warehouse.read_together() as connection:
        assert connection.execute(count).fetchone() == (1,)
        warehouse.commit(lambda c: c.execute("INSERT INTO wh.t VALUES (2)"), message="t")
        assert connection.execute(count).fetchone() == (1,)
    with warehouse.read_together() as connection:
        assert connection.execute(count).fetchone() == (2,)


def test_merging_leaves_few_files_the_same_rows_and_older_snapshots(tmp_path: Path) -> None:
    warehouse = Warehouse(f"sqlite:{tmp_path / 'c.sqlite'}", str(tmp_path / "data"))
    warehouse.commit(lambda c: c.execute("CREATE TABLE wh.t (a BIGINT)"), message="t")
    for number in range(6):
        warehouse.commit(
            lambda c, first=number: c.execute(f"INSERT INTO wh.t SELECT {first} FROM range(500)"),
            message="t",
        )
    before = warehouse.read_snapshot()
    assert sum(row["files_processed"] for row in warehouse.merge_files()) == 6
    assert warehouse.merge_files() == []
    with warehouse.connect() as connection:
        assert connection.execute("SELECT count(*), sum(a) FROM wh.t").fetchone() == (3000, 7500)
    with warehouse.connect(snapshot=before - 3) as past:
        assert past.execute("SELECT count(*) FROM wh.t").fetchone() == (1500,)


def test_a_warehouse_that_was_moved_is_found_and_one_without_its_data_is_told(
    tmp_path: Path,
) -> None:
    made = Warehouse(f"sqlite:{tmp_path / 'shop/c.sqlite'}", str(tmp_path / "shop/data"))
    made.commit(
        lambda c: c.execute("CREATE TABLE wh.t AS SELECT 1 AS a FROM range(500)"), message="t"
    )
    made.let_go()
    shutil.copytree(tmp_path / "shop", tmp_path / "copy")
    (tmp_path / "shop").rename(tmp_path / "moved")
    moved = Warehouse(f"sqlite:{tmp_path / 'moved/c.sqlite'}", str(tmp_path / "moved/data"))
    moved.commit(lambda c: c.execute("INSERT INTO wh.t SELECT 2 FROM range(500)"), message="t")
    with moved.connect() as connection:
        assert connection.execute("SELECT sum(a) FROM wh.t").fetchone() == (1500,)
    elsewhere = Warehouse(f"sqlite:{tmp_path / 'copy/c.sqlite'}", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match=r"data is not in .*empty"), elsewhere.connect():
        pass
