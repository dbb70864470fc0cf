"""What a night does once: Monday's merge of small files, and what it asks of the warehouse."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from flows import night
from flows.backfill_plan import plan_backfill
from flows.engine import Failure
from flows.night import (
    choose_day,
    close_night,
    find_days,
    find_today,
    make_night_key,
    note_state,
    open_night,
    refuse_future,
    repeat_night,
    tidy_warehouse,
)
from flows.nightly import run_nightly
from flows.stages import ingest_drops
from flows.state import Night
from tasks.ingest import task as ingest
from tasks.ingest.sources import describe_import, find_drops
from tasks.platform.errors import (
    ConfigError,
    GateError,
    InputError,
    StorageError,
    WarehouseBusyError,
)
from tasks.platform.settings import Settings
from tasks.platform.warehouse import Warehouse
from tests.ingest.staging import make_line
from tests.ingest.test_publish import publish

MONDAY, TUESDAY = date(2024, 3, 4), date(2024, 3, 5)


def make_shop(folder: Path) -> Settings:
    """Settings with one source, whose drops lie in `drops`."""
    source = {"name": "shop", "kind": "sample", "path": "drops"}
    return Settings(root=folder, sources=(source,))  # type: ignore[arg-type]


def make_night(tmp_path: Path, day: date) -> Night:
    return open_night(Settings(root=tmp_path), day)


def test_files_are_merged_on_mondays_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(Warehouse, "merge_files", lambda self: calls.append(self) or [])
    assert tidy_warehouse(make_night(tmp_path, TUESDAY)) == []
    assert calls == []
    assert tidy_warehouse(make_night(tmp_path, MONDAY)) == []
    assert len(calls) == 1


@pytest.mark.parametrize("kind", [WarehouseBusyError, StorageError])
def test_a_merge_that_found_the_warehouse_busy_or_lost_is_told_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def refuse(_: Warehouse) -> None:
        raise kind("another writer was busy for 600 s")

    night = make_night(tmp_path, MONDAY)
    monkeypatch.setattr(Warehouse, "merge_files", refuse)
    (message,) = tidy_warehouse(night)
    assert "another writer was busy for 600 s" in message
    assert "whyrec prune" in message
    assert night.status == "completed"


def test_a_night_that_is_found_done_says_again_what_it_had_to_remark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_night(tmp_path, MONDAY)
    first.tell(["A drop came late."])
    note_state(first)
    first.tell(["No reviews of shop are read."])
    document = close_night(first, None)
    assert document["messages"] == ["A drop came late.", "No reviews of shop are read."]
    monkeypatch.setattr(night.report, "lay_out", lambda *_: None)
    monkeypatch.setattr(night, "ReportRef", dict)
    again = repeat_night(make_night(tmp_path, MONDAY), {**document, "report_ref": {}})
    assert again["messages"] == ["No reviews of shop are read."]


def test_a_night_tells_of_a_drop_of_which_nothing_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "drops" / str(MONDAY)
    folder.mkdir(parents=True)
    (folder / "reviews.xlsx").touch()
    settings = make_shop(tmp_path)
    for day, is_told in ((MONDAY, True), (TUESDAY, False)):
        night = open_night(settings, day)
        ingest_drops(night)
        assert ["(reviews.xlsx): deliver .json" in one for one in night.messages] == [
            True
        ] * is_told
        assert night.exit_code == 0


def test_a_drop_that_cannot_be_read_leaves_the_other_days_nights_alone(tmp_path: Path) -> None:
    """It ended every later night, whose own drop was whole, before anything was read."""
    for day in (MONDAY, TUESDAY):
        folder = tmp_path / "drops" / str(day)
        folder.mkdir(parents=True)
        (folder / "reviews.jsonl").write_bytes(make_line(reviewed_at=f"{day}T10:00:00Z"))
    settings = make_shop(tmp_path)
    run = open_night(settings, MONDAY).run
    monday, _ = find_drops(settings, until=TUESDAY)
    publish(run, ingest.stage_drop.fn(monday, settings.ingest, TUESDAY, run))
    path = tmp_path / "drops" / str(MONDAY) / "reviews.jsonl"
    path.unlink()
    for target, words in ((tmp_path / "gone", "leaves the drop"), ("gone", "no readable file")):
        path.symlink_to(target)
        broken, whole = find_drops(settings, until=TUESDAY)
        assert (broken.fingerprint, whole.problem) == ("", "")
        assert words in broken.problem
        assert ingest.find_stale([broken, whole], settings.ingest, run) == [broken, whole]
        with pytest.raises(InputError, match=words):
            ingest.stage_drop.fn(broken, settings.ingest, TUESDAY, run)
        assert ingest.stage_drop.fn(whole, settings.ingest, TUESDAY, run).rows_read == 1
        path.unlink()


def test_a_plan_tells_a_drop_of_which_nothing_is_read_from_none(tmp_path: Path) -> None:
    folder = tmp_path / "drops" / str(MONDAY)
    folder.mkdir(parents=True)
    (folder / "reviews.xlsx").touch()
    settings = make_shop(tmp_path)
    monday, tuesday = plan_backfill(settings, MONDAY, TUESDAY)
    assert (monday.action, tuesday.action) == ("skip", "skip")
    assert "(reviews.xlsx): deliver .json" in monday.why
    assert tuesday.why == "no drop was delivered and nothing is published for it"


def test_rows_of_the_day_after_a_drop_do_not_move_the_newest_night(tmp_path: Path) -> None:
    path = tmp_path / "drops" / "2024-03-04" / "reviews.jsonl"
    path.parent.mkdir(parents=True)
    times = ("2024-03-04T10:00:00Z", "2024-03-05T03:00:00Z")
    path.write_bytes(b"".join(make_line(reviewed_at=time) for time in times))
    settings = make_shop(tmp_path)
    assert choose_day(settings, None) == MONDAY
    run = open_night(settings, MONDAY).run
    for drop in find_drops(settings, until=MONDAY):
        publish(run, ingest.stage_drop.fn(drop, settings.ingest, TUESDAY, run))
    assert find_days(settings, TUESDAY) == ({MONDAY}, {MONDAY, TUESDAY})
    assert choose_day(settings, None) == MONDAY


def test_the_newest_night_of_history_is_that_of_its_last_day(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path)
    path = tmp_path / "history.jsonl"
    path.write_bytes(
        b"".join(make_line(reviewed_at=f"{day}T10:00:00Z") for day in (MONDAY, TUESDAY))
    )
    drop = describe_import(str(path), kind="sample", source="shop", table="reviews", mapping=None)
    run = open_night(settings, TUESDAY).run
    publish(run, ingest.stage_drop.fn(drop, settings.ingest, TUESDAY, run))
    assert choose_day(settings, None) == TUESDAY


def test_today_is_the_later_of_utc_and_the_zone_of_the_schedules(tmp_path: Path) -> None:
    late = datetime(2024, 3, 4, 20, 0, tzinfo=UTC)
    found = [
        find_today(Settings(root=tmp_path, serve={"timezone": zone}), late)  # type: ignore[arg-type]
        for zone in ("Etc/UTC", "Asia/Tokyo", "America/Los_Angeles")
    ]
    assert found == [MONDAY, TUESDAY, MONDAY]


def test_a_night_of_tomorrow_is_refused_and_one_of_today_is_not() -> None:
    refuse_future(MONDAY, MONDAY)
    with pytest.raises(ConfigError, match="2024-03-05 lies in the future") as refusal:
        refuse_future(TUESDAY, MONDAY)
    assert refusal.value.exit_code == 2


def test_the_nightly_flow_refuses_a_night_that_lies_ahead(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lies in the future"):
        run_nightly(Settings(root=tmp_path), date(2999, 1, 1))
    assert list(tmp_path.iterdir()) == [], "nothing is made for it"


def test_setbacks_with_other_days_are_told_and_do_not_fail_the_night(tmp_path: Path) -> None:
    night = make_night(tmp_path, TUESDAY)
    night.setbacks = [
        Failure("shop/2024-03-04/reviews", GateError("reviews of 2024-03-04: too few rows")),
        Failure("shop/2024-03-03/reviews", ConfigError("no mapping")),
    ]
    night.remarks = ["a drop is gone"]
    assert night.messages == [
        "reviews of 2024-03-04: too few rows", "shop/2024-03-03/reviews: no mapping", "a drop is gone"
    ]  # fmt: skip
    assert (night.status, night.exit_code) == ("completed", 0)
    night.errors = [GateError("exposures of 2024-03-05: too few rows")]
    assert night.messages[0] == "exposures of 2024-03-05: too few rows"
    assert (night.status, night.exit_code) == ("stopped by gate", 3)


def test_what_others_publish_in_mid_night_is_not_in_its_key(tmp_path: Path) -> None:
    night = make_night(tmp_path, TUESDAY)
    note_state(night)
    before = make_night_key(night)
    night.site.warehouse.commit(
        lambda connection: connection.execute(
            "INSERT INTO raw.drops BY NAME SELECT 'shop' AS source, 'reviews' AS table_name, "
            "'import:late' AS drop_id, DATE '2024-03-01' AS drop_date, 'abc' AS staged_sha256, "
            "0 AS rows_read, 0 AS rows_published, 0 AS rows_quarantined, 0 AS rows_duplicate"
        ),
        message="an import beside the night",
    )
    assert make_night_key(night) == before
    late = make_night(tmp_path, TUESDAY)
    note_state(late)
    assert make_night_key(late) != before


def test_a_night_asks_once_and_another_asks_anew(tmp_path: Path) -> None:
    asked = []

    def ask() -> int:
        asked.append(1)
        return len(asked)

    night = make_night(tmp_path, TUESDAY)
    assert [night.once(("sweeps", TUESDAY), ask) for _ in range(3)] == [1, 1, 1]
    assert night.once(("sweeps", MONDAY), ask) == 2
    assert make_night(tmp_path, TUESDAY).once(("sweeps", TUESDAY), ask) == 3
