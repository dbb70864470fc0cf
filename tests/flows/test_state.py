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
