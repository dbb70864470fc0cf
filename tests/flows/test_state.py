"""What a range of nights ends with, where several went wrong."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flows import backfill
from flows.backfill_record import Request
from flows.state import Night
from tasks.platform.settings import Settings

DAY = date(2024, 3, 1)


def make_night(code: int) -> dict[str, Any]:
    status = {0: "completed", 1: "failed", 3: "stopped by gate"}[code]
    return {
        "as_of": DAY, "status": status, "accounts": [], "tasks": dict.fromkeys(backfill.STATES, 0),
        "exit_code": code, "messages": [], "seconds": 0.0, "report": None,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _no_warehouse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill.accounts, "account_drops", lambda *_: [])
    monkeypatch.setattr(backfill.stages, "read_snapshot", lambda _: 1)
    monkeypatch.setattr(backfill, "open_night", lambda *_, **__: SimpleNamespace(run=None))


def account(status: str, rows: int) -> dict[str, Any]:
    return {
        "source": "shop", "table": "reviews", "drop_id": str(DAY), "status": status, "rows_read": rows,
        "rows_published": rows, "rows_quarantined": 0, "rows_duplicate": 0, "rows_held": 0,
    }  # fmt: skip


def total(nights: list[dict[str, Any]]) -> dict[str, Any]:
    return backfill.total_nights(nights, Settings(), Request(DAY, DAY), [])


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((0, 0), (0, "completed")),
        ((0, 3), (3, "stopped by gate")),
        ((3, 1), (1, "failed")),
        ((1, 3), (1, "failed")),
    ],
)
def test_a_failed_night_is_not_hidden_by_one_that_the_gate_stopped(
    codes: tuple[int, ...], expected: tuple[int, str]
) -> None:
    document = total([make_night(code) for code in codes])
    assert (document["exit_code"], document["status"]) == expected


def test_the_nights_of_a_backfill_are_named_once_and_its_publishing_is_none(tmp_path: Path) -> None:
    publishing = SimpleNamespace(
        as_of=DAY, status="completed", accounts=[], exit_code=0, errors=[], seconds=1.0,
        run=SimpleNamespace(events=tmp_path / "events.jsonl"),
    )  # fmt: skip
    document = total([backfill.describe_ingest(cast("Night", publishing)), make_night(0)])
    assert [night["as_of"] for night in document["days"]] == [DAY]
    assert document["seconds"] == 1.0


@pytest.mark.parametrize("order", [("failed", "published"), ("published", "failed")])
def test_a_drop_counts_as_it_was_when_it_was_tried_last(
    order: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"failed": account("failed", 0), "published": account("published", 7)}
    monkeypatch.setattr(backfill.accounts, "account_drops", lambda *_: [rows["published"]])
    document = total([{**make_night(0), "accounts": [rows[status]]} for status in order])
    assert [row["status"] for row in document["accounts"]] == [order[-1]]
    assert document["rows"]["published"] == rows[order[-1]]["rows_published"]
