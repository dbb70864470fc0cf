"""A warehouse that many machines share: PostgreSQL holds the catalog, an S3-compatible store the data."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from traceback import format_exception

import pytest

from tasks.platform.errors import ConfigError, StorageError, WarehouseBusyError
from tasks.platform.object_store import ObjectStore, connect_store
from tasks.platform.warehouse import Warehouse
from tests.platform.servers import run_postgres, run_store

KEYS = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "a-secret"}
WRITER = """
import sys
from tests.platform.test_shared import make_warehouse, write_partitions
warehouse = make_warehouse(*sys.argv[1:3])
warehouse.read_snapshot()
print("ready", flush=True)
sys.stdin.readline()
write_partitions(warehouse, sys.argv[3])
"""
ROUNDS = 4
ROWS = 50
PAUSE_S = 0.3
"""Between the two statements of a replacement: without a lock two writers meet in it."""
COLUMNS = "review_id, source, user_id, item_id, event_date, rating, text, text_sha256, drop_id"

pytestmark = pytest.mark.slow


def make_warehouse(dsn: str, endpoint: str) -> Warehouse:
    store = ObjectStore(endpoint=endpoint, url_style="path")
    return Warehouse(f"postgres:{dsn}", "s3://whyrec/lake", 60.0, store)


def write_partitions(warehouse: Warehouse, writer: str) -> None:
    """Replace, as a night does, one partition that both writers replace and one of the writer's own."""
    for number in range(ROUNDS):
        for source in ("shared", writer):
            replace_partition(warehouse, source, date(2024, 3, 1 + number))


def replace_partition(warehouse: Warehouse, source: str, day: date) -> None:
    def write(connection) -> None:
        scope = {"source": source, "day": day}
        connection.execute(
            "DELETE FROM clean.reviews WHERE source = $source AND event_date = $day", scope
        )
        time.sleep(PAUSE_S)
        connection.execute(
            f"INSERT INTO clean.reviews ({COLUMNS}) SELECT 'r' || i, $source, 'u', 'i', $day, 5, 't', 'h', 'd' "
            "FROM range($rows) AS t(i)",
            {**scope, "rows": ROWS},
        )

    warehouse.commit(write, message=f"{source} {day}")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    # a socket's path is short, and its folder is another user's when the tests run as root
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as place:
        folder = Path(place)
        with (
            run_postgres(folder) as dsn,
            run_store(tmp_path_factory.mktemp("store"), "whyrec") as endpoint,
        ):
            yield dsn, endpoint


@pytest.fixture(scope="module")
def warehouse(servers: tuple[str, str]) -> Iterator[Warehouse]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        made = make_warehouse(*servers)
        made.prepare()
        yield made


def test_two_processes_that_write_at_once_leave_exactly_their_rows(
    servers: tuple[str, str], warehouse: Warehouse
) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, *servers, name],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for process in writers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=240)[1] for process in writers]
    assert [process.returncode for process in writers] == [0, 0], errors
    with warehouse.connect() as connection:
        found = connection.execute(
            "SELECT source, count(DISTINCT event_date), count(*), count(DISTINCT (event_date, review_id)) "
            "FROM clean.reviews GROUP BY source ORDER BY source"
        ).fetchall()
    whole = ROUNDS * ROWS
    assert found == [(name, ROUNDS, whole, whole) for name in ("one", "shared", "two")]


def test_an_old_snapshot_can_be_read_from_the_store(warehouse: Warehouse) -> None:
    day = date(2025, 1, 1)
    replace_partition(warehouse, "old", day)
    before = warehouse.read_snapshot()
    warehouse.commit(
        lambda connection: connection.execute("DELETE FROM clean.reviews WHERE source = 'old'"),
        message="gone",
    )
    query = "SELECT count(*) FROM clean.reviews WHERE source = 'old'"
    with warehouse.connect() as now, warehouse.connect(snapshot=before) as past:
        assert now.execute(query).fetchone() == (0,)
        assert past.execute(query).fetchone() == (ROWS,)


def test_small_files_of_a_shared_warehouse_are_merged_and_old_snapshots_stay(
    warehouse: Warehouse,
) -> None:
    day = date(2025, 2, 1)
    for _ in range(3):
        replace_partition(warehouse, "small", day)
    query = "SELECT count(*) FROM clean.reviews WHERE source = 'small'"
    before = warehouse.read_snapshot()
    merged = warehouse.merge_files()
    reviews = [row for row in merged if row["table_name"] == "reviews"]
    assert sum(row["files_processed"] for row in reviews) > 1
    with warehouse.connect() as now, warehouse.connect(snapshot=before) as past:
        assert now.execute(query).fetchone() == (ROWS,)
        assert past.execute(query).fetchone() == (ROWS,)


def test_the_lock_of_a_killed_writer_is_free_and_a_living_one_is_waited_for(
    servers: tuple[str, str], warehouse: Warehouse
) -> None:
    hold = (
        "import sys, time\n"
        "from tests.platform.test_shared import make_warehouse\n"
        "with make_warehouse(*sys.argv[1:3]).hold_writers():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(600)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, *servers], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "held"
    with pytest.raises(WarehouseBusyError, match=r"warehouse\.lock_timeout_s"):
        replace_partition(replace(warehouse, lock_timeout_s=0.5), "late", date(2024, 3, 1))
    holder.kill()
    holder.wait(30)
    started = time.monotonic()
    replace_partition(warehouse, "late", date(2024, 3, 1))
    assert time.monotonic() - started < warehouse.lock_timeout_s


def test_a_database_that_is_gone_in_the_middle_is_told_without_its_password(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with tempfile.TemporaryDirectory(prefix="whyrec-") as short:
        folder = Path(short)
        folder.chmod(0o755)
        with run_postgres(folder) as dsn:
            lake = tmp_path_factory.mktemp("lake")
            warehouse = Warehouse(f"postgres:{dsn} password=s3cr3t", str(lake), 5.0)
            warehouse.prepare()
        for use in (warehouse.read_snapshot, warehouse.merge_files, warehouse.prepare):
            with pytest.raises(StorageError, match="cannot be had") as caught:
                use()
            assert "s3cr3t" not in "".join(format_exception(caught.value))


def test_keys_of_the_store_are_in_no_settings_and_half_a_key_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "secret" not in json.dumps(ObjectStore.model_json_schema()).lower()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(ConfigError, match="set both"):
        connect_store(None, ObjectStore())  # type: ignore[arg-type]


def test_an_endpoint_without_a_scheme_is_refused_with_an_example(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="http://host:9000"):
        connect_store(None, ObjectStore(endpoint="host:9000"))  # type: ignore[arg-type]
