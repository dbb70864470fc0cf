"""What a night does once: Monday's merge of small files, and what it asks of the warehouse."""

from datetime import date
from pathlib import Path

import pytest

from flows.night import make_night_key, note_state, open_night, tidy_warehouse
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
