"""What a backfill would do, date by date, and why; read once for the whole range.

A night is finished when the night of the same drops, settings and code ran, and all that it made is
still there. That is asked here of many nights at once: the drops, the counts of the marts and the
files of the lake are looked at once, so that a year that is done costs seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal

from flows import stages
from flows.night import RUN_FILE, find_key, find_today, open_night, read_key_parts, refuse_future
from flows.state import Night
from tasks.ingest import accounts, sources
from tasks.ingest import task as ingest
from tasks.platform.errors import ConfigError
from tasks.platform.marts import count_published, list_compared, select_compared
from tasks.platform.refs import DropRef, FileRef
from tasks.platform.runs import read_json
from tasks.platform.settings import Settings

Action = Literal["run", "keep", "skip"]
MOST: Final = timedelta(days=40 * 366)
"""A longer range is a slip of the pen."""


@dataclass(frozen=True)
class PlannedNight:
    """A date of a backfill, what is to be done about it, and why."""

    day: date
    action: Action
    why: str


@dataclass
class Finished:
    """Which nights of [`start`, `end`] are finished, with what many of them share looked at once."""

    settings: Settings
    start: date
    end: date
    known_files: dict[str, bool] = field(default_factory=dict)

    @cached_property
    def night(self) -> Night:
        """The last night of the range: what its key is made of holds for all, but for the drops."""
        return open_night(self.settings, self.end, flow="backfill")

    @cached_property
    def parts(self) -> Any:
        """What keys are made of, and the drops of the whole range."""
        return read_key_parts(self.night)

    @cached_property
    def accounts(self) -> list[dict[str, Any]]:
        """Rows of the accounts of drops that reports of the range show."""
        return accounts.account_recent(self.night.run, self.end, since=self.start)

    @cached_property
    def compared(self) -> list[tuple[date, list[str]]]:
        """Published parts that the nights of the range may be compared with."""
        with self.night.site.warehouse.connect() as connection:
            return list_compared(connection, since=self.start, until=self.end)

    @cached_property
    def broken(self) -> list[dict[str, Any]]:
        """Published parts of the range's marts that do not hold what they should."""
        with self.night.site.warehouse.connect() as connection:
            rows = count_published(connection, since=date.min, first=self.start, last=self.end)
        return [row for row in rows if row["live_count"] != row["row_count"]]

    def look_again(self) -> None:
        """Forget what was looked at once: nights were made since."""
        for name in ("parts", "accounts", "compared", "broken"):
            self.__dict__.pop(name, None)
        self.night.known.clear()

    def find(self, day: date) -> dict[str, Any] | None:
        """run.json of the night of `day` if it is finished, else None."""
        before = read_json(self.night.site.night_folder(day) / RUN_FILE)
        if before is None or before.get("night_key") != self._find_key(day):
            return None
        if any(self._concerns(part, day) for part in self.broken):
            return None
        return before if all(map(self._is_intact, before["files"])) else None

    def _find_key(self, day: date) -> str:
        recent = [row for row in self.accounts if accounts.is_shown(row, day)]
        return find_key(self.parts, day, select_compared(self.compared, day), recent)

    def _concerns(self, part: dict[str, Any], day: date) -> bool:
        if part["table_name"] == "review_attributes":
            return bool(part["end_date"] <= day)
        return bool(part["start_date"] == day)

    def _is_intact(self, ref: dict[str, Any]) -> bool:
        path = ref["path"]
        if path not in self.known_files:
            self.known_files[path] = self.night.site.lake.is_intact(FileRef(**ref))
        return self.known_files[path]


def find_range(
    settings: Settings, start: date, end: date, *, is_forced: bool = False
) -> list[DropRef]:
    """Drops of the range; raises ConfigError for one turned round, too long, or ahead of today."""
    if start > end:
        raise ConfigError(f"--start {start} lies after --end {end}; swap them")
    if end - start > MOST:
        raise ConfigError(
            f"{start} to {end} are {(end - start).days + 1:,} nights; at most {MOST.days:,} at once, so "
            "narrow --start and --end to the dates that have data"
        )
    refuse_future(end, find_today(settings, datetime.now(UTC)), option="--end")
    return sources.find_drops(settings, since=start, until=end, is_forced=is_forced)


def list_days(start: date, end: date) -> list[date]:
    """Every date from `start` to `end`, both included."""
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]


def plan_backfill(
    settings: Settings, start: date, end: date, *, is_forced: bool = False
) -> list[PlannedNight]:
    """What a backfill of the range would do, without doing it."""
    drops = find_range(settings, start, end, is_forced=is_forced)
    finished = Finished(settings, start, end)
    run = finished.night.run
    stale = ingest.find_stale(drops, settings.ingest, run, is_forced=is_forced)
    return plan_nights(finished, drops, stale, is_forced=is_forced)


def plan_nights(
    finished: Finished, drops: Sequence[DropRef], stale: Iterable[DropRef], *, is_forced: bool
) -> list[PlannedNight]:
    """What is to be done about every date, where the drops `stale` are yet to be published."""
    published = stages.list_published_days(finished.night.run, finished.end)
    delivered = {drop.drop_date for drop in drops}
    late = sorted({drop.drop_date for drop in stale if drop.drop_date is not None})
    known = {drop.label for drop in drops}
    found = sources.find_gone(
        known, finished.settings, finished.night.site.warehouse,
        since=finished.start, until=finished.end,
    )  # fmt: skip
    gone = {day for _, day in found}
    days = list_days(finished.start, finished.end)
    bare = {day for day in days if day not in delivered and day not in published}
    unread = sources.find_unread(finished.settings, bare) if bare else {}
    plan = []
    is_moved = False
    for day in days:
        if day in bare:
            none = "no drop was delivered and nothing is published for it"
            plan.append(PlannedNight(day, "skip", "; ".join(unread.get(day, [none]))))
            continue
        action, why = decide_night(finished, day, late, is_forced=is_forced)
        is_made = action == "run"
        if is_moved and not is_made:
            action, why = "run", "the night before it, which it is compared with, is made first"
        if str(day) in gone:
            why += "; a drop of it is no longer at its source, its rows stay published"
        plan.append(PlannedNight(day, action, why))
        is_moved = is_made
    return plan


def decide_night(
    finished: Finished, day: date, late: Sequence[date], *, is_forced: bool
) -> tuple[Action, str]:
    """What is to be done about a date that has data, and why; `late` are dates of drops to publish."""
    if is_forced:
        return "run", "forced"
    if day in late:
        return "run", "a drop is new, changed, or not published as it should be"
    if late and late[0] < day:
        return "run", f"the drop of {late[0]} before it is new, changed, or not published"
    if finished.find(day) is None:
        return "run", "no finished night of these drops, settings and code"
    return "keep", "finished; nothing changed since"
