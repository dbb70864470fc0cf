"""What a range of nights ends with, where several went wrong."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from flows import backfill
from flows.backfill_record import Request
from tasks.platform.settings import Settings

DAY = date(2024, 3, 1)


def make_night(code: int) -> dict[str, Any]:
    status = {0: "completed", 1: "failed", 3: "stopped by gate"}[code]
    return {
        "as_of": DAY, "status": status, "accounts": [], "tasks": dict.fromkeys(backfill.STATES, 0),
        "exit_code": code, "messages": [], "seconds": 0.0, "report": None,
    }  # fmt: skip


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
    codes: tuple[int, ...], expected: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill.accounts, "account_drops", lambda *_: [])
    monkeypatch.setattr(backfill.stages, "read_snapshot", lambda _: 1)
    monkeypatch.setattr(backfill, "open_night", lambda *_, **__: SimpleNamespace(run=None))
    nights = [make_night(code) for code in codes]
    total = backfill.total_nights(nights, Settings(), Request(DAY, DAY), [])
    assert (total["exit_code"], total["status"]) == expected
