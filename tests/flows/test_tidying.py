"""Monday's merge of small files: done on Mondays, and never the reason that a finished night fails."""

from datetime import date
from pathlib import Path

import pytest

from flows.night import open_night, tidy_warehouse
from flows.state import Night
from tasks.platform.errors import WarehouseBusyError
from tasks.platform.settings import Settings
from tasks.platform.warehouse import Warehouse

MONDAY, TUESDAY = date(2024, 3, 4), date(2024, 3, 5)


def make_night(tmp_path: Path, day: date) -> Night:
    return open_night(Settings(root=tmp_path), day)


def test_files_are_merged_on_mondays_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(Warehouse, "merge_files", lambda self: calls.append(self) or [])
    assert tidy_warehouse(make_night(tmp_path, TUESDAY)) == []
    assert calls == []
    assert tidy_warehouse(make_night(tmp_path, MONDAY)) == []
    assert len(calls) == 1


def test_a_merge_that_found_the_warehouse_busy_is_told_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Warehouse) -> None:
        raise WarehouseBusyError("another writer was busy for 600 s")

    night = make_night(tmp_path, MONDAY)
    monkeypatch.setattr(Warehouse, "merge_files", refuse)
    (message,) = tidy_warehouse(night)
    assert "another writer was busy for 600 s" in message
    assert "whyrec prune" in message
    assert night.status == "completed"
