"""Nights that are killed, corrected, or run twice at once end in the tables of an undisturbed one."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest.sample_drops import write_correction
from tests.flows.conftest import SPEC, Night, Shop
from tests.flows.nights import read_tables, site_of

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(fresh: Shop, tmp_path: Path) -> Shop:
    return fresh.copy(tmp_path / "shop")


@pytest.mark.long
def test_a_corrected_drop_replaces_its_day_and_what_hung_on_it(shop: Shop) -> None:
    shop.run("nightly")
    write_correction(SPEC, shop.folder / "drops")
    again = shop.run("nightly")
    embedded = {
        e["name"]
        for e in again["events"]
        if e["name"].startswith("text.embed") and e["state"] == "ran"
    }
    assert len([name for name in embedded if name.startswith("text.embed_shard")]) == 1
    assert all(SPEC.date_of(1).isoformat() in name for name in embedded)
    other = shop.copy(shop.folder.parent / "straight")
    shutil.rmtree(other.folder / "home")
    other.run("nightly")
    assert without_origin(read_tables(shop)) == without_origin(read_tables(other))


def without_origin(tables: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: rows for name, rows in tables.items() if name not in ("marts.quality",)}


def kill_when(shop: Shop, stage: str) -> None:
    """Start a night and kill -9 it while `stage` works: after its predecessor, before its own end."""
    process = shop.start("nightly")
    runs = Path(site_of(shop).reports_root) / "runs"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        text = "".join(path.read_text() for path in runs.glob("*/events.jsonl"))
        if f'"name": "{stage}' in text:
            process.kill()
            break
        time.sleep(0.01)
    process.communicate()
    assert process.returncode == -9, "the night ended before it could be killed"


@pytest.mark.parametrize(
    "stage",
    [
        "ingest.publish_drops",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("ingest.stage_drop", "text.embed_shard", "effects.make_moments")
        ),
    ],
)
def test_killed_and_run_again_the_tables_are_those_of_an_undisturbed_night(
    fresh: Shop, whole_tables: dict[str, list[Any]], tmp_path: Path, stage: str
) -> None:
    shop = fresh.copy(tmp_path / "shop")
    kill_when(shop, stage)
    events = [
        json.loads(line)
        for path in (Path(site_of(shop).reports_root) / "runs").glob("*/events.jsonl")
        for line in path.read_text().splitlines()
    ]
    finished = {
        event["name"]
        for event in events
        if event["state"] == "ran" and "publish" not in event["name"]
    }
    again = shop.run("nightly")
    repeated = {event["name"] for event in again["events"] if event["state"] == "ran"} & finished
    assert not repeated, "a finished task ran again"
    assert read_tables(shop) == whole_tables


@pytest.fixture
def whole_tables(done: Night) -> dict[str, list[Any]]:
    return done.tables


@pytest.mark.long
def test_two_nights_at_once_beside_a_reader_all_finish(
    shop: Shop, whole_tables: dict[str, list[Any]]
) -> None:
    warehouse = site_of(shop).warehouse
    warehouse.prepare()
    with warehouse.connect() as reader:
        reader.execute("SELECT count(*) FROM clean.reviews").fetchall()
        both = [shop.start("nightly", "--json") for _ in range(2)]
        ends = [process.communicate(timeout=300) for process in both]
        assert [process.returncode for process in both] == [0, 0], ends
        assert "locked" not in "".join(error for _, error in ends)
        assert reader.execute("SELECT count(*) > 0 FROM clean.reviews").fetchone() == (True,)
    assert read_tables(shop) == whole_tables
    computed = [
        event["name"]
        for out, _ in ends
        for event in json.loads(out)["events"]
        if event["state"] == "ran"
        and event["name"].split()[0] in ("ingest.stage_drop", "text.embed_shard")
    ]
    assert len(computed) == len(set(computed)), "the same key was computed twice"
