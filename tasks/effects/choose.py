"""Which days, periods, labels and attributes a night's effects are worked out from."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from tasks.effects.estimate import HEADLINE
from tasks.effects.gold import find_labels, read_gold
from tasks.effects.measured import MIN_GOLD
from tasks.effects.stored import read_rows
from tasks.platform.errors import InputError
from tasks.platform.lake import hash_file
from tasks.platform.periods import find_daily_start, hash_partitions, select_history
from tasks.platform.refs import EffectsRef, FileRef, PartitionRef, PeriodRef
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext

ALL_DAYS = 0
"""The window that reaches back to the first published day."""


def read_partitions(run: RunContext, as_of: date) -> list[PartitionRef]:
    """Every published day up to `as_of`."""
    with run.site.warehouse.connect() as connection:
        rows = connection.execute(read_sql("clean/partitions_select"), {"as_of": as_of}).fetchall()
    return [
        PartitionRef(
            table=row[0], source=row[1], event_date=row[2], rows=row[3], fingerprint=row[4]
        )
        for row in rows
    ]


def describe_contexts(
    run: RunContext, periods: Sequence[PeriodRef], *, as_of: date, history_days: int
) -> dict[PeriodRef, str]:
    """What a period's panel depends on besides its own rows: its items, its users and its history."""
    partitions = read_partitions(run, as_of)
    days: dict[tuple[str, date], str] = {}
    with run.site.warehouse.connect() as connection:
        for source in sorted({period.source for period in periods}):
            scope = {"source": source, "as_of": as_of}
            for day, mark in connection.execute(read_sql("clean/period_context"), scope).fetchall():
                days[source, day] = mark
    return {
        period: hash_partitions(select_history(partitions, period, history_days=history_days))
        + "".join(
            mark
            for (source, day), mark in sorted(days.items())
            if source == period.source and period.start <= day <= period.end
        )
        for period in periods
    }


def choose_basis_periods(
    periods: Sequence[PeriodRef],
    *,
    as_of: date,
    min_rows: int,
    rows: Mapping[PeriodRef, int] | None = None,
) -> list[PeriodRef]:
    """The periods of one source that its control basis is fitted on.

    The basis is frozen for a quarter: it is fitted on the four quarters before the one of `as_of`
    when these hold `min_rows` reviews; a younger source uses its first days until they do. `rows`
    are the reviews of each period that count, all of them where it is None.
    """
    known = {period: period.rows for period in periods} if rows is None else rows
    quarter = as_of.replace(month=3 * ((as_of.month - 1) // 3) + 1, day=1)
    year_before = quarter.replace(year=quarter.year - 1)
    recent = [period for period in periods if year_before <= period.start and period.end < quarter]
    if sum(known[period] for period in recent) >= min_rows:
        return recent
    return _take_until(sorted(periods, key=lambda period: period.start), known, min_rows)


def name_window(days: int) -> str:
    """Name of a window: all, or 28d and the like."""
    return "all" if days == ALL_DAYS else f"{days}d"


def select_window(periods: Sequence[PeriodRef], *, as_of: date, days: int) -> list[PeriodRef]:
    """The periods of a window of `days` up to `as_of`."""
    first = date.min if days == ALL_DAYS else as_of - timedelta(days=days - 1)
    return [period for period in periods if period.start >= first]


def select_window_before(
    periods: Sequence[PeriodRef], *, previous: date, days: int
) -> list[PeriodRef]:
    """The periods that a window had on the night of `previous`; none where today's cannot tell.

    Months that are long past are read as one. A month that was still read by days on that night and
    reaches over an end of the window is where they cannot.
    """
    first = date.min if days == ALL_DAYS else previous - timedelta(days=days - 1)
    daily = find_daily_start(previous)
    known = [period for period in periods if period.start <= previous]
    if any(
        period.end > previous or daily <= period.start < first <= period.end for period in known
    ):
        return []
    return [period for period in known if period.start >= first]


def choose_weekly_periods(periods: Sequence[PeriodRef], *, as_of: date) -> tuple[PeriodRef, ...]:
    """The periods that end before the week of `as_of`, for what is worked out once a week.

    None for a source in its first week.
    """
    monday = as_of - timedelta(days=as_of.weekday())
    return tuple(period for period in periods if period.end < monday)


def choose_settled_periods(periods: Sequence[PeriodRef], *, as_of: date) -> tuple[PeriodRef, ...]:
    """The periods before the 1st or the 15th, whichever came last: for what is dear to work out."""
    anchor = as_of.replace(day=15 if as_of.day >= 15 else 1)
    return tuple(period for period in periods if period.end < anchor)


def choose_newest(
    periods: Sequence[PeriodRef], *, rows: Mapping[PeriodRef, int], least: int
) -> tuple[PeriodRef, ...]:
    """The newest of some periods that hold `least` rows together, in order of time; all if they hold fewer."""
    newest_first = sorted(periods, key=lambda period: period.start, reverse=True)
    return tuple(reversed(_take_until(newest_first, rows, least)))


def _take_until(
    periods: Sequence[PeriodRef], rows: Mapping[PeriodRef, int], least: int
) -> list[PeriodRef]:
    """The first of some periods that hold `least` rows together; all if they hold fewer."""
    chosen: list[PeriodRef] = []
    for period in periods:
        if sum(rows[done] for done in chosen) >= least:
            break
        chosen.append(period)
    return chosen


def choose_attributes(effects: EffectsRef, most: int, run: RunContext) -> tuple[str, ...]:
    """The attributes that reviews of a window speak of most, of those that have an estimate."""
    rows = read_rows(run, [effects.file])
    spoken = {
        row["attribute"]: -(row["n_positive"] + row["n_negative"])
        for row in rows
        if row["contrast"] == HEADLINE and row["estimate"] is not None
    }
    return tuple(sorted(spoken, key=lambda name: (spoken[name], name))[:most])


def hash_gold(path: Path) -> str:
    """Hash of a file of labels; raises InputError when there is none."""
    if not path.is_file():
        raise InputError(f"there is no file {path}; check extract.gold")
    return hash_file(path)


def place_gold(
    path: Path, attribute_names: Sequence[str], *, as_of: date, run: RunContext
) -> FileRef:
    """The labels of a file, those of reviews that are published, with their source and date.

    Raises InputError for a file that holds no labels.
    """
    table = read_gold(path, attribute_names)
    scope = {"review_ids": table["review_id"].to_list(), "as_of": as_of}
    with run.site.warehouse.connect() as connection:
        known = connection.execute(read_sql("clean/reviews_named"), scope).pl()
    placed = known.join(table, on="review_id", how="inner")
    return run.site.lake.put_frame("gold", placed.sort("source", "event_date", "review_id"))


def choose_labelled_periods(
    gold: FileRef, periods: Sequence[PeriodRef], run: RunContext
) -> tuple[PeriodRef, ...]:
    """The periods of one window from the first to the last labelled one; none with too few labels."""
    found = run.site.lake.read_frame(gold)
    counts = [find_labels(found, [period]).height for period in periods]
    if sum(counts) < MIN_GOLD:
        return ()
    at = [place for place, count in enumerate(counts) if count]
    return tuple(periods[at[0] : at[-1] + 1])


def list_exposures(
    run: RunContext, *, as_of: date, days: int
) -> dict[str, tuple[PartitionRef, ...]]:
    """Published days of exposures of each source: `days` of them up to the last whole week.

    They are looked at once a week.
    """
    as_of -= timedelta(days=as_of.weekday() + 1)
    first = as_of - timedelta(days=days - 1)
    found: dict[str, list[PartitionRef]] = {}
    for part in read_partitions(run, as_of):
        if part.table == "exposures" and part.event_date >= first:
            found.setdefault(part.source, []).append(part)
    return {
        source: tuple(sorted(parts, key=lambda p: p.event_date)) for source, parts in found.items()
    }
