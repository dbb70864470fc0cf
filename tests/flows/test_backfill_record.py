"""The line of a backfill in marts.backfills, without a night."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flows.backfill_record import (
    Request,
    close_killed,
    open_record,
    record_backfill,
)
from flows.state import NightError
from tasks.platform.locks import try_lock
from tasks.platform.runs import name_asker
from tasks.platform.settings import load_settings
from tasks.platform.site import Site, resolve_site
from tasks.platform.warehouse import fetch_dicts

REQUEST = Request(date(2024, 3, 1), date(2024, 3, 9), reason="why not")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    config = tmp_path / "whyrec.toml"
    config.write_text('[paths]\nhome = "home"\n')
    found = resolve_site(load_settings(config))
    found.warehouse.prepare()
    return found


def read_record(site: Site) -> dict[str, Any]:
    with site.warehouse.connect() as connection:
        (row,) = fetch_dicts(connection, "SELECT * FROM marts.backfills")
    return row


def test_it_runs_from_the_start_on_and_counts_when_it_ends(site: Site) -> None:
    with record_backfill(site, REQUEST) as progress:
        before = read_record(site)
        assert (before["status"], before["asked_by"]) == ("running", name_asker())
        assert before["ended_at"] is None
        progress.run, progress.kept = 2, 7
    after = read_record(site)
    assert (after["status"], after["nights_run"], after["nights_kept"]) == ("completed", 2, 7)
    assert after["seconds"] >= 0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("no good"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (NightError({"messages": ["bad rows"], "status": "stopped by gate"}), "stopped by gate"),
    ],
)
def test_what_ended_it_is_kept(site: Site, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), record_backfill(site, REQUEST):
        raise error
    row = read_record(site)
    assert row["status"] == status
    assert row["message"]


def test_a_killed_one_is_found_and_one_that_lives_is_left_alone(site: Site) -> None:
    open_record(site, "alive", REQUEST)
    place = Path(site.cache_root) / "backfills" / "alive.lock"
    handle = try_lock(place, timeout_s=0)
    assert handle is not None
    close_killed(site)
    assert read_record(site)["status"] == "running"
    os.close(handle)
    close_killed(site)
    assert read_record(site)["status"] == "interrupted"


def test_one_of_another_host_is_left_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("flows.backfill_record.socket.gethostname", lambda: "elsewhere")
        open_record(site, "far", REQUEST)
    close_killed(site)
    assert read_record(site)["status"] == "running"
