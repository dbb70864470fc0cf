"""Publication of drops that share rows: the newest keeps them, whatever order they come in."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest import task as ingest
from tasks.platform.refs import DropRef, GateRef, StagedRef
from tasks.platform.settings import IngestSettings, load_settings
from tasks.platform.site import Site
from tasks.platform.task import RunContext
from tests.ingest.staging import EXPOSURE, GOOD, make_line

DAYS = ("2024-03-01", "2024-03-02")
AS_OF = date(2024, 3, 9)


def make_run(folder: Path) -> RunContext:
    site = Site(
        lake_root=str(folder / "lake"),
        cache_root=str(folder / "cache"),
        reports_root=str(folder / "reports"),
        catalog=f"sqlite:{folder / 'catalog.sqlite'}",
        data=str(folder / "data"),
        lock_timeout_s=30,
    )
    site.warehouse.prepare()
    text = load_settings(None).text
    return RunContext(run_id="r", events=str(folder / "events"), site=site, text=text)


def stage_day(folder: Path, run: RunContext, table: Any, day: str, *lines: bytes) -> StagedRef:
    path = folder / day / f"{table}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(lines))
    drop = DropRef(
        source="shop",
        kind="sample",
        table=table,
        drop_id=day,
        drop_date=date.fromisoformat(day),
        fingerprint=day,
        mapping_fingerprint="",
        files=(str(path),),
        mapping=None,
    )
    return ingest.stage_drop.fn(drop, IngestSettings(), AS_OF, run)


def publish(run: RunContext, *staged: StagedRef) -> None:
    checks = run.site.lake.put_bytes("gates", ".json", json.dumps({"checks": []}).encode())
    gate = GateRef(is_passed=True, sentence="", report=checks, page=None, rows=0)
    gates = (gate,) * len(staged)
    ingest.publish_drops.fn(staged, gates, IngestSettings(), AS_OF, run)


def read(run: RunContext, statement: str) -> list[tuple[Any, ...]]:
    with run.site.warehouse.connect() as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(("table", "row"), [("reviews", GOOD), ("exposures", EXPOSURE)])
def test_row_that_drops_share_is_published_once_from_the_newest(
    tmp_path: Path, table: str, row: dict[str, Any], newest_first: bool
) -> None:
    run = make_run(tmp_path)
    shared, other = make_line(row), make_line(row, user_id="u2")
    staged = [stage_day(tmp_path, run, table, DAYS[0], shared, other)]
    staged.append(stage_day(tmp_path, run, table, DAYS[1], make_line(row, user_id="u3"), shared))
    for each in reversed(staged) if newest_first else staged:
        publish(run, each)
    rows = read(run, f"SELECT user_id, drop_id FROM clean.{table} ORDER BY user_id")
    assert rows == [("u1", DAYS[1]), ("u2", DAYS[0]), ("u3", DAYS[1])]
    accounts = read(
        run, "SELECT drop_id, rows_published, rows_duplicate FROM raw.drops ORDER BY drop_id"
    )
    assert accounts == [(DAYS[0], 1, 1), (DAYS[1], 2, 0)]


@pytest.mark.parametrize("is_together", [False, True])
def test_an_id_that_begins_anew_each_day_costs_no_exposure_however_days_are_published(
    tmp_path: Path, is_together: bool
) -> None:
    run = make_run(tmp_path)
    staged = [
        stage_day(
            tmp_path, run, "exposures", day,
            make_line(EXPOSURE, exposure_id="1", exposed_at=f"{day}T10:00:00Z"),
        )
        for day in DAYS
    ]  # fmt: skip
    for part in [staged] if is_together else [[each] for each in staged]:
        publish(run, *part)
    rows = read(run, "SELECT drop_id, event_date::VARCHAR FROM clean.exposures ORDER BY drop_id")
    assert rows == [(day, day) for day in DAYS]


@pytest.mark.parametrize(
    ("moment", "texts"),
    [
        ("2024-02-29T10:00:00Z", ["Works (edited)."]),
        ("2024-02-29T00:00:00Z", ["Works (edited).", "Works."]),
    ],
)
def test_an_edited_review_is_no_second_one_where_its_time_is_known(
    tmp_path: Path, moment: str, texts: list[str]
) -> None:
    run = make_run(tmp_path)
    for day, text in zip(DAYS, ("Works.", "Works (edited)."), strict=True):
        publish(
            run, stage_day(tmp_path, run, "reviews", day, make_line(reviewed_at=moment, text=text))
        )
    assert read(run, "SELECT text FROM clean.reviews ORDER BY text") == [(each,) for each in texts]


def test_later_drops_are_compared_with_what_is_remembered_of_earlier_ones(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    lines = [make_line(user_id=f"u{n}") for n in range(3)]
    staged = [stage_day(tmp_path, run, "reviews", day, *lines) for day in DAYS]
    publish(run, staged[0])
    history = ingest.read_history(run)["shop", "reviews"]
    assert history == {DAYS[0]: ingest.remember_day(staged[0])}
    assert json.loads(history[DAYS[0]].profile)["n_own_day"] == 3
    kept = ingest.trim_history(history, staged[1].drop, days=28)
    assert kept == history
    assert ingest.trim_history(history, staged[0].drop, days=28) == {}


def test_many_rows_are_sorted_within_little_memory_and_the_limit_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    asked = (
        "SELECT current_setting('memory_limit'), "
        "current_setting('partitioned_write_max_open_files'), "
        "current_setting('partitioned_write_flush_threshold')"
    )
    before = read(run, asked)
    seen: list[Any] = []
    inner = ingest.publish_rows

    def watch(connection: Any, late: Any) -> None:
        seen.append(connection.execute(asked).fetchone())
        inner(connection, late)

    monkeypatch.setattr(ingest, "publish_rows", watch)
    monkeypatch.setattr(ingest, "MANY_ROWS", 2)
    lines = [make_line(user_id=f"u{n}") for n in range(3)]
    publish(run, stage_day(tmp_path, run, "reviews", DAYS[0], *lines))
    publish(run, stage_day(tmp_path, run, "reviews", DAYS[1], lines[0]))
    assert seen == [("610.3 MiB", 2, 50_000), before[0]]
    assert read(run, asked) == before


def test_items_that_were_lost_from_the_warehouse_are_published_again(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    items = [make_line({"item_id": item, "title": "t"}) for item in ("i1", "i2")]
    staged = stage_day(tmp_path, run, "items", DAYS[0], *items)
    publish(run, staged)
    run.site.warehouse.commit(
        lambda connection: (
            connection.execute("DELETE FROM clean.items WHERE item_id = 'i1'") and None
        ),
        message="lost",
    )
    assert ingest.find_stale([staged.drop], IngestSettings(), run) == [staged.drop]
    publish(run, staged)
    assert read(run, "SELECT item_id FROM clean.items ORDER BY item_id") == [("i1",), ("i2",)]
    assert ingest.find_stale([staged.drop], IngestSettings(), run) == []
