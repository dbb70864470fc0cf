"""Clearing away and copying: what is needed stays, and what comes back is what went."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.prune import plan_prune, prune
from tasks.platform import backup
from tasks.platform.backup import back_up, restore
from tasks.platform.errors import ConfigError, InputError, StorageError
from tasks.platform.locks import remove_free_lock
from tasks.platform.runs import read_json
from tasks.platform.settings import load_settings
from tasks.platform.site import Site
from tasks.platform.task import FlockManager
from tests.flows.conftest import SPEC, Shop
from tests.flows.nights import read_tables, site_of

pytestmark = pytest.mark.long

FIRST, LAST = SPEC.date_of(0).isoformat(), SPEC.date_of(SPEC.n_days - 1).isoformat()
TIGHT = "[retention]\nnights_days = 1\nnights_min = 1\nruns_days = 1\nsnapshots_days = 1\nunused_days = 1\n"
WRITER = """
import sys
from tasks.platform.warehouse import Warehouse
w = Warehouse(sys.argv[1], sys.argv[2])
n = 0
while True:
    n += 1
    rows = "SELECT 's' AS source, DATE '2030-01-01' AS as_of, range::DOUBLE AS estimate FROM range(20000)"
    w.commit(lambda c: c.execute("DELETE FROM marts.effects WHERE as_of = DATE '2030-01-01'")
             and c.execute(f"INSERT INTO marts.effects BY NAME {rows}") and None, message=str(n))
    print(n, flush=True)
"""


@pytest.fixture(scope="module")
def nights(fresh: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Every night of the sample world, run once; restore it elsewhere before changing it."""
    shop = fresh.copy(tmp_path_factory.mktemp("keeping") / "shop")
    shop.run("backfill", "--start", FIRST, "--end", LAST)
    shop.run("backup", "copy")
    return shop


@pytest.fixture
def shop(nights: Shop, fresh: Shop, tmp_path: Path) -> Shop:
    """The same nights in a place of their own."""
    other = fresh.copy(tmp_path / "shop")
    restore(site_of(other), nights.folder / "copy")
    return other


def make_old(folder: Path, days: float) -> None:
    past = time.time() - days * 86_400
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (past, past))


def list_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_restored_backup_is_byte_equal_and_its_night_is_unchanged(
    nights: Shop, shop: Shop
) -> None:
    old, new = site_of(nights), site_of(shop)
    assert read_tables(shop) == read_tables(nights)
    assert list_files(Path(new.data)) == list_files(Path(old.data)) != {}
    again = shop.run("nightly", "--as-of", LAST)
    assert again["tasks"]["ran"] == again["tasks"]["failed"] == 0
    assert again["tasks"]["cached"] > 0
    assert Path(again["report"]).is_relative_to(shop.folder)


def test_a_backup_taken_beside_a_writer_holds_one_of_its_commits_whole(
    shop: Shop, tmp_path: Path
) -> None:
    site = site_of(shop)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, site.catalog, site.data],
        env=shop.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        account = back_up(site, tmp_path / "copy", now=datetime.now(UTC))
        writer.stdout.readline()
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
    other = moved(site, tmp_path / "elsewhere")
    restore(other, tmp_path / "copy")
    with other.warehouse.connect() as connection:
        found = connection.execute(
            "SELECT count(*), sum(estimate) FROM marts.effects WHERE as_of = DATE '2030-01-01'"
        ).fetchone()
    assert found == (20_000, 20_000 * 19_999 / 2)
    assert other.warehouse.read_snapshot() == account.snapshot


def moved(site: Site, home: Path) -> Site:
    return site.model_copy(
        update={
            "lake_root": str(home / "lake"), "cache_root": str(home / "cache"),
            "reports_root": str(home / "reports"), "data": str(home / "data"),
            "catalog": f"sqlite:{home / 'catalog.sqlite'}",
        }
    )  # fmt: skip


def test_a_second_backup_copies_only_what_is_new(shop: Shop, tmp_path: Path) -> None:
    site = site_of(shop)
    first = back_up(site, tmp_path / "copy", now=datetime.now(UTC))
    again = back_up(site, tmp_path / "copy", now=datetime.now(UTC))
    assert first.skipped == 0
    assert again.skipped == sum(again.files[part] for part in ("data", "lake", "results"))
    assert again.files == first.files


def test_a_backup_that_was_killed_is_no_backup_until_it_was_run_again(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, copy = site_of(shop), tmp_path / "copy"
    whole = back_up(site, copy, now=datetime.now(UTC))

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(backup, "copy_catalog", fail)
        with pytest.raises(KeyboardInterrupt):
            back_up(site, copy, now=datetime.now(UTC))
    with pytest.raises(InputError, match="no whole backup"):
        restore(moved(site, tmp_path / "x"), copy)
    again = back_up(site, copy, now=datetime.now(UTC))
    assert (again.files, again.skipped > 0) == (whole.files, True)
    restore(moved(site, tmp_path / "y"), copy)


def test_what_cannot_be_copied_or_put_back_is_said_in_words(
    shop: Shop, nights: Shop, tmp_path: Path
) -> None:
    site, copy = site_of(shop), nights.folder / "copy"
    with pytest.raises(InputError, match="there is a warehouse at"):
        restore(site, copy)
    with pytest.raises(InputError, match="no whole backup"):
        restore(moved(site, tmp_path / "x"), tmp_path)
    with pytest.raises(InputError, match="is no backup"):
        back_up(site, shop.folder, now=datetime.now(UTC))
    with pytest.raises(ConfigError, match="pg_dump"):
        back_up(
            site.model_copy(update={"catalog": "postgres:x"}), tmp_path / "y", now=datetime.now(UTC)
        )
    broken = tmp_path / "broken"
    shutil.copytree(copy, broken)
    next(path for path in (broken / "lake").rglob("*.parquet")).write_bytes(b"cut")
    with pytest.raises(StorageError, match="does not hold the bytes"):
        restore(moved(site, tmp_path / "z"), broken)
    assert not (tmp_path / "z" / "catalog.sqlite").exists()


def test_after_pruning_the_newest_night_is_unchanged_and_the_next_one_goes_on(shop: Shop) -> None:
    site = site_of(shop)
    (shop.folder / "whyrec.toml").open("a").write(TIGHT)
    assert shop.run("prune", "--dry-run")["files"] == 0, "nothing is old yet"
    locks = Path(site.cache_root) / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "free.lock").touch()
    make_old(shop.folder / "home", 3)
    tables = read_tables(shop)
    before = list_files(shop.folder / "home")
    plan = shop.run("prune", "--dry-run")
    assert list_files(Path(site.lake_root)) == {
        name.removeprefix("lake/"): body
        for name, body in before.items()
        if name.startswith("lake/")
    }
    done = shop.run("prune")
    assert {row["kind"] for row in done["removed"]} >= {
        "reports", "run folders", "lake files", "task results", "locks",
    }  # fmt: skip
    assert (plan["files"], plan["bytes"]) == (done["files"], done["bytes"])
    assert done["bytes"] > 100_000
    assert read_tables(shop) == tables
    left = shop.run("prune", "--dry-run")["removed"]
    assert {row["kind"] for row in left} <= {"data files"}, "what was merged goes the next time"
    assert [p.name for p in Path(site.reports_root).glob("2*")] == [LAST]
    again = shop.run("nightly", "--as-of", LAST)
    assert again["tasks"]["ran"] == again["tasks"]["failed"] == 0
    forced = shop.run("nightly", "--as-of", LAST, "--force")
    ran = {event["name"].split()[0] for event in forced["events"] if event["state"] == "ran"}
    assert not {name for name in ran if name.startswith(("text.", "effects."))}


def test_snapshots_go_but_for_those_that_kept_nights_read(shop: Shop) -> None:
    warehouse, settings = site_of(shop).warehouse, load_settings(shop.folder / "whyrec.toml")
    tables = read_tables(shop)
    later = datetime.now(UTC) + timedelta(days=settings.retention.snapshots_days + 1)
    plan = plan_prune(settings, now=later)
    done = prune(settings, now=later)
    assert done.snapshots == plan.snapshots != ()
    assert done.data == plan.data
    night = read_json(Path(site_of(shop).reports_root) / LAST / "run.json") or {}
    for number in night["snapshots"].values():
        assert number not in done.snapshots
        with warehouse.connect(snapshot=number) as connection:
            assert connection.execute("SELECT count(*) FROM clean.reviews").fetchone() != (0,)
    with pytest.raises(InputError, match="expired"), warehouse.connect(snapshot=done.snapshots[-1]):
        pass
    assert read_tables(shop) == tables


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[tuple[FlockManager, Path]]:
    manager = FlockManager(tmp_path)
    yield manager, tmp_path
    manager.release_lock("k", "me")


def test_a_lock_that_was_cleared_away_while_waited_for_is_taken_anew(
    locks: tuple[FlockManager, Path], tmp_path: Path
) -> None:
    manager, folder = locks
    assert manager.acquire_lock("k", "me")
    (path,) = folder.glob("*.lock")
    assert not remove_free_lock(path), "it is held"
    stale = os.open(path, os.O_RDWR)
    manager.release_lock("k", "me")
    assert remove_free_lock(path)
    other: Any = FlockManager(folder)
    opened = [stale]
    real = other._open
    other._open = lambda key: opened.pop() if opened else real(key)
    assert other.acquire_lock("k", "you")
    assert FlockManager(folder).is_locked("k"), "the lock that was taken is the one others see"
    other.release_lock("k", "you")


def test_a_lock_that_another_made_anew_is_not_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "k.lock"
    path.touch()

    def replace(*_: Any) -> None:
        path.unlink()
        path.touch()
        (tmp_path / "other").touch()

    monkeypatch.setattr("tasks.platform.locks.fcntl.flock", replace)
    assert not remove_free_lock(path)
    assert path.exists()
