"""A delivery that is taken back: the warehouse is what it would be had it never come."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tasks.ingest import accounts
from tasks.ingest import task as ingest
from tasks.ingest import withdraw as module
from tasks.platform.errors import InputError
from tasks.platform.refs import StagedRef
from tasks.platform.settings import IngestSettings
from tasks.platform.task import RunContext
from tests.ingest.staging import GOOD, make_line
from tests.ingest.test_publish import DAYS, make_run, publish, read, stage_day

SHOWN = date(2024, 3, 5)
NOW = datetime(2024, 3, 10, tzinfo=UTC)
SHARED, FIRST, LAST = make_line(GOOD), make_line(user_id="u2"), make_line(user_id="u3")
STATE = (
    "SELECT user_id, drop_id FROM clean.reviews ORDER BY ALL",
    "SELECT event_date, row_count, fingerprint FROM clean.partitions ORDER BY ALL",
    "SELECT drop_id, rows_read, rows_published, rows_duplicate FROM raw.drops ORDER BY ALL",
    "SELECT drop_id, line FROM quarantine.reviews ORDER BY ALL",
    "SELECT drop_id, expectation FROM marts.quality ORDER BY ALL",
)


def deliver(folder: Path, run: RunContext, day: str, *lines: bytes) -> StagedRef:
    staged = stage_day(folder, run, "reviews", day, *lines)
    publish(run, staged)
    return staged


def take_back(run: RunContext, named: str = DAYS[1], reason: str = "a load test") -> None:
    plan = module.plan_withdrawal(run.site, "shop", named)
    module.withdraw(run.site, plan, asked_by="ana@host", reason=reason, now=NOW)


def find_stale(run: RunContext, *staged: StagedRef, is_forced: bool = False) -> list[str]:
    drops = [each.drop for each in staged]
    stale = ingest.find_stale(drops, IngestSettings(), run, is_forced=is_forced)
    return [drop.drop_id for drop in stale]


@pytest.mark.slow
@pytest.mark.parametrize("gone", DAYS)
def test_all_is_as_if_it_had_never_come(tmp_path: Path, gone: str) -> None:
    lines = {DAYS[0]: (SHARED, FIRST, b"{broken\n"), DAYS[1]: (SHARED, LAST, b"{broken\n")}
    states = []
    for name in ("with", "without"):
        folder = tmp_path / name
        folder.mkdir()
        run = make_run(folder)
        for day in DAYS:
            if name == "with" or day != gone:
                deliver(folder, run, day, *lines[day])
        if name == "with":
            take_back(run, gone)
        states.append([read(run, statement) for statement in STATE])
    assert states[0] == states[1]
    assert states[0][0], "the other delivery is there, with the row that both brought"


@pytest.mark.slow
def test_the_same_files_are_not_taken_again_until_that_is_undone_and_other_files_are(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path)
    staged = [deliver(tmp_path, run, day, SHARED) for day in DAYS]
    take_back(run)
    assert find_stale(run, *staged) == []
    assert find_stale(run, *staged, is_forced=True) == [DAYS[0]]
    other = staged[1].model_copy(
        update={"drop": staged[1].drop.model_copy(update={"fingerprint": "corrected"})}
    )
    assert find_stale(run, other) == [DAYS[1]]
    publish(run, other)
    take_back(run)
    assert find_stale(run, staged[1]) == find_stale(run, other) == [], "both were taken back"
    plan = module.plan_restoration(run.site, "shop", DAYS[1])
    module.restore_withdrawn(run.site, plan.labels, now=NOW)
    assert find_stale(run, staged[1]) == [DAYS[1]]
    publish(run, staged[1])
    assert read(run, "SELECT count(*) FROM clean.reviews") == [(1,)]


def test_it_is_told_who_took_it_back_and_why_in_the_account_of_its_days(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    staged = deliver(tmp_path, run, DAYS[1], SHARED, LAST)
    take_back(run)
    (row,) = accounts.account_recent(run, SHOWN)
    assert (row["drop_id"], row["status"], row["rows_read"]) == (DAYS[1], "withdrawn", 0)
    assert row["message"] == "2 rows taken back by ana@host on 2024-03-10: a load test"
    assert accounts.account_drops([staged.drop], {}, {}, run) == [row]
    assert accounts.account_recent(run, date(2024, 3, 1)) == [], "it lies ahead of that night"
    assert accounts.account_recent(run, date(2024, 5, 1)) == []
    assert accounts.is_shown(row, SHOWN)
    assert not accounts.is_shown(row, date(2024, 5, 1)), "as above: a backfill asks once for many"
    publish(run, staged)
    (row,) = accounts.account_recent(run, SHOWN)
    assert row["status"] == "published"


def test_what_cannot_be_taken_back_is_said_with_what_can(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with pytest.raises(InputError, match="nor of any other"):
        module.plan_withdrawal(run.site, "shop", DAYS[0])
    deliver(tmp_path, run, DAYS[0], SHARED)
    with pytest.raises(InputError, match="sources with any are shop"):
        module.plan_withdrawal(run.site, "shpo", DAYS[0])
    with pytest.raises(InputError, match=f"no delivery '2024-03-05' of shop .* {DAYS[0]}"):
        module.plan_withdrawal(run.site, "shop", "2024-03-05")
    with pytest.raises(InputError, match="no delivery of a source 'shop' is taken back"):
        module.plan_restoration(run.site, "shop", DAYS[0])
