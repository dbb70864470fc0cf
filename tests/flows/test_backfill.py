"""Backfills that are killed, repeated, corrected, or run beside a night; and what they say of themselves."""

import getpass
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest.sample_drops import write_correction
from tasks.platform.warehouse import fetch_dicts
from tests.flows.conftest import SMALL, SPEC, Shop
from tests.flows.nights import read_tables, site_of

pytestmark = pytest.mark.long

FIRST, LAST = SPEC.date_of(0), SPEC.date_of(SPEC.n_days - 1)
RANGE = ("--start", FIRST.isoformat(), "--end", LAST.isoformat())


@pytest.fixture(scope="module")
def small(fresh: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = fresh.copy(tmp_path_factory.mktemp("small") / "shop")
    (shop.folder / "whyrec.toml").write_text(SMALL)
    return shop


@pytest.fixture(scope="module")
def undisturbed(
    small: Shop, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shop, dict[str, Any]]:
    shop = small.copy(tmp_path_factory.mktemp("undisturbed") / "shop")
    return shop, shop.run("backfill", *RANGE, "--reason", "a test", "--concurrency", "2")


def read_records(shop: Shop) -> list[dict[str, Any]]:
    with site_of(shop).warehouse.connect() as connection:
        return fetch_dicts(connection, "SELECT * FROM marts.backfills ORDER BY started_at")


def count_plan(shop: Shop) -> tuple[dict[str, int], list[dict[str, Any]]]:
    plan = shop.run("backfill", *RANGE, "--dry-run")
    return plan["counts"], plan["nights"]


def test_a_backfill_says_who_when_why_and_what_came_of_it(
    undisturbed: tuple[Shop, dict[str, Any]],
) -> None:
    shop, document = undisturbed
    (record,) = read_records(shop)
    assert record["asked_by"] == f"{getpass.getuser()}@{socket.gethostname()}"
    assert (record["reason"], record["status"], record["message"]) == ("a test", "completed", "")
    assert (record["start_date"], record["end_date"], record["stage"]) == (FIRST, LAST, "all")
    assert (record["nights_run"], record["nights_kept"], record["concurrency"]) == (3, 0, 2)
    assert record["ended_at"] > record["started_at"]
    assert (document["run"], document["kept"], document["skipped"]) == (3, 0, 0)
    days = [SPEC.date_of(number).isoformat() for number in range(SPEC.n_days)]
    assert [night["as_of"] for night in document["days"]] == days


def test_a_backfill_that_is_done_runs_nothing_and_gives_the_same_account(
    undisturbed: tuple[Shop, dict[str, Any]],
) -> None:
    shop, first = undisturbed
    before = read_tables(shop)
    assert count_plan(shop)[0] == {"run": 0, "keep": 3, "skip": 0}
    again = shop.run("backfill", *RANGE)
    assert (again["run"], again["kept"]) == (0, 3)
    assert again["tasks"]["ran"] == 0
    assert again["rows"] == first["rows"]
    assert again["accounts"] == first["accounts"]
    assert read_tables(shop) == before


def test_killed_in_the_middle_it_goes_on_where_it_was(
    small: Shop, undisturbed: tuple[Shop, dict[str, Any]], tmp_path: Path
) -> None:
    shop = small.copy(tmp_path / "shop")
    process = shop.start("backfill", *RANGE, "--reason", "will be killed")
    done = site_of(shop).night_folder(FIRST) / "run.json"
    deadline = time.monotonic() + 480
    while not done.is_file():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    counts, nights = count_plan(shop)
    assert nights[0]["action"] == "keep"
    assert nights[-1]["action"] == "run"
    again = shop.run("backfill", *RANGE)
    assert (again["run"], again["kept"]) == (counts["run"], counts["keep"])
    assert again["rows"] == undisturbed[1]["rows"]
    assert read_tables(shop) == read_tables(undisturbed[0])
    killed, whole = read_records(shop)
    assert (killed["status"], killed["reason"]) == ("interrupted", "will be killed")
    assert "killed" in killed["message"]
    assert whole["status"] == "completed"


def test_a_corrected_drop_lets_run_its_night_and_those_after_as_the_plan_says(
    undisturbed: tuple[Shop, dict[str, Any]], tmp_path: Path
) -> None:
    shop = undisturbed[0].copy(tmp_path / "shop")
    shutil.rmtree(shop.folder / "home")
    shop.run("backfill", *RANGE, "--only", "ingest")
    assert count_plan(shop)[0] == {"run": 3, "keep": 0, "skip": 0}
    first = shop.run("backfill", *RANGE)
    write_correction(SPEC, shop.folder / "drops")
    counts, nights = count_plan(shop)
    assert [night["action"] for night in nights] == ["keep", "run", "run"]
    assert str(SPEC.date_of(1)) in nights[2]["why"]
    again = shop.run("backfill", *RANGE)
    assert (again["run"], again["kept"]) == (counts["run"], counts["keep"])
    assert again["rows"] != first["rows"]


def test_beside_a_night_neither_disturbs_the_other(
    small: Shop, undisturbed: tuple[Shop, dict[str, Any]], tmp_path: Path
) -> None:
    shop = small.copy(tmp_path / "shop")
    both = [shop.start("backfill", *RANGE, "--json"), shop.start("nightly", "--json")]
    ends = [process.communicate(timeout=900) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    settle = shop.run("backfill", *RANGE)
    assert settle["run"] <= 1, "only the night beside may have been compared with an older one"
    assert read_tables(shop) == read_tables(undisturbed[0])


def test_a_night_is_compared_anew_when_the_one_before_it_is_filled_in(
    small: Shop, undisturbed: tuple[Shop, dict[str, Any]], tmp_path: Path
) -> None:
    shop = small.copy(tmp_path / "shop")
    middle = SPEC.date_of(1).isoformat()
    shop.run("backfill", *RANGE, "--only", "ingest")
    for day in (FIRST.isoformat(), LAST.isoformat()):
        shop.run("nightly", "--as-of", day)
    nights = count_plan(shop)[1]
    assert [night["action"] for night in nights] == ["keep", "run", "run"]
    assert "night before it" in nights[2]["why"]
    shop.run("nightly", "--as-of", middle)
    assert [night["action"] for night in count_plan(shop)[1]] == ["keep", "keep", "run"]
    again = shop.run("backfill", *RANGE)
    assert (again["run"], again["kept"]) == (1, 2)
    assert read_tables(shop) == read_tables(undisturbed[0])
    assert count_plan(shop)[0] == {"run": 0, "keep": 3, "skip": 0}


def test_a_stage_alone_is_published_without_a_report(small: Shop, tmp_path: Path) -> None:
    shop = small.copy(tmp_path / "shop")
    day = ("--start", FIRST.isoformat(), "--end", FIRST.isoformat())
    document = shop.run("backfill", *day, "--only", "text")
    assert document["report"] is None
    tables = read_tables(shop)
    assert tables["marts.review_attributes"]
    assert not tables["marts.effects"]
    assert read_records(shop)[0]["stage"] == "text"
