"""What the gate stopped is told until it is mended or taken away; what is gone from its source is named."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest import accounts, sources
from tasks.ingest import task as ingest
from tasks.platform.errors import GateError
from tasks.platform.refs import GateRef, StagedRef
from tasks.platform.settings import IngestSettings, Settings, SourceSettings
from tasks.platform.task import RunContext
from tests.ingest.staging import make_line
from tests.ingest.test_publish import AS_OF, make_run, publish, stage_day

OLD, DAY, LATE = "2024-03-01", "2024-03-08", date(2024, 5, 1)
CHECK = {
    "expectation": "rows are as many as usual", "column": None, "severity": "critical",
    "is_success": False, "observed": "rows: 1", "allowed": "90 to 110", "n_unexpected": None,
    "n_rows": 1, "examples": [], "breaks": "", "advice": "", "skip_reason": None,
}  # fmt: skip


def refuse(run: RunContext, staged: StagedRef) -> None:
    checks = run.site.lake.put_bytes("gates", ".json", json.dumps({"checks": [CHECK]}).encode())
    gate = GateRef(is_passed=False, sentence="too few", report=checks, page=None, rows=1)
    with pytest.raises(GateError, match="too few"):
        ingest.refuse_drop.fn(staged, gate, IngestSettings(), AS_OF, run)


def deliver(run: RunContext, folder: Path, day: str, *users: str) -> StagedRef:
    return stage_day(folder, run, "reviews", day, *(make_line(user_id=user) for user in users))


def find_row(run: RunContext, day: str, as_of: date = AS_OF) -> dict[str, Any] | None:
    rows = accounts.account_recent(run, as_of)
    return next((row for row in rows if row["drop_id"] == day), None)


def test_a_stopped_redelivery_is_told_beside_the_drop_that_stays_until_the_good_one_is_back(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path)
    good = deliver(run, tmp_path, DAY, "u1", "u2")
    publish(run, good)
    before = find_row(run, DAY)
    assert before is not None
    assert "message" not in before
    refuse(run, deliver(run, tmp_path, DAY, "u1"))
    row = find_row(run, DAY)
    assert row is not None
    assert row.pop("message") == (
        "A newer delivery is held at the gate: rows are as many as usual (found rows: 1, allowed "
        "90 to 110). The rows of the earlier one stay."
    )
    assert row == before
    assert ingest.find_stale([good.drop], IngestSettings(), run) == [good.drop]
    publish(run, good)
    assert find_row(run, DAY) == before
    assert ingest.find_stale([good.drop], IngestSettings(), run) == []


def test_what_the_gate_holds_is_told_whatever_its_age(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    publish(run, deliver(run, tmp_path, DAY, "u1", "u2"))
    refuse(run, deliver(run, tmp_path, OLD, "u1"))
    assert find_row(run, DAY, LATE) is None
    row = find_row(run, OLD, LATE)
    assert row is not None
    assert (row["status"], row["rows_read"], row["rows_held"]) == ("stopped by gate", 1, 1)
    assert accounts.is_shown(row, LATE)
    assert not accounts.is_shown(row, date(2024, 2, 29)), "it lies ahead of that night"
    assert find_row(run, OLD, date(2024, 2, 29)) is None


def test_a_stopped_delivery_that_was_taken_away_is_forgotten(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    stopped = deliver(run, tmp_path, OLD, "u1")
    refuse(run, stopped)
    accounts.forget_refused([stopped.drop], run, until=AS_OF)
    accounts.forget_refused([], run, until=date(2024, 2, 29))
    assert find_row(run, OLD) is not None
    accounts.forget_refused([], run, until=AS_OF)
    assert find_row(run, OLD) is None


def make_settings(folder: Path) -> Settings:
    source = SourceSettings(name="shop", kind="sample", path=".")
    return Settings(root=folder, sources=(source,))


def test_published_drops_that_left_their_source_are_named_and_others_are_not(
    tmp_path: Path,
) -> None:
    run, settings = make_run(tmp_path), make_settings(tmp_path)
    days = (OLD, "2024-03-04", DAY)
    for day in days:
        publish(run, deliver(run, tmp_path, day, f"u{day}"))
    warehouse = run.site.warehouse
    delivered = sources.list_delivered(settings, until=AS_OF)
    assert delivered == {f"shop/{day}/reviews" for day in days}
    assert sources.find_gone(delivered, settings, warehouse, until=AS_OF) == []
    (tmp_path / days[1] / "reviews.jsonl").unlink()
    delivered = sources.list_delivered(settings, until=AS_OF)
    gone = sources.find_gone(delivered, settings, warehouse, until=AS_OF)
    assert gone == [("shop", days[1])]
    assert sources.find_gone(delivered, settings, warehouse, until=date(2024, 3, 2)) == []
    assert sources.find_gone([], Settings(root=tmp_path), warehouse, until=AS_OF) == []


def test_old_drops_that_were_tidied_away_are_no_holes() -> None:
    delivered = {"shop/2024-03-03/reviews", "shop/2024-03-05/reviews"}
    gone = [("other", "2024-03-04"), ("shop", "2024-03-01"), ("shop", "2024-03-04")]
    assert sources.find_holes(gone, delivered) == [("shop", "2024-03-04")]


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (1, "one published drop is no longer at its source (shop 1): its rows stay published"),
        (2, "2 published drops are no longer at their source (shop 1, shop 2): their rows stay "
            "published"),
        (5, "5 published drops are no longer at their source (shop 1, shop 2, shop 3 and 2 more): "
            "their rows stay published"),
    ],
)  # fmt: skip
def test_what_is_gone_is_told_with_what_it_means(days: int, told: str) -> None:
    assert sources.tell_gone([("shop", str(day + 1)) for day in range(days)]) == told
