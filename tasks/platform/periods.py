"""Published days grouped into periods: the pieces that text and effects are worked out by.

Days since the first of the month in which the last 29 days begin are periods of their own (a window
of 28 days, and that of the night before); whole months before are one period each. A night therefore adds one small period, and ten years of
history are some hundred.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import groupby

from tasks.platform.refs import PartitionRef, PeriodRef

DAILY_DAYS = 29
"""At least so many days up to `as_of` are periods of their own."""


def find_daily_start(as_of: date) -> date:
    """First day that is a period of its own for a night of `as_of`."""
    return (as_of - timedelta(days=DAILY_DAYS - 1)).replace(day=1)


def split_periods(partitions: Sequence[PartitionRef], as_of: date) -> list[PeriodRef]:
    """Group the review partitions of each source up to `as_of` into periods, in date order."""
    start = find_daily_start(as_of)

    def period_of(part: PartitionRef) -> tuple[str, date]:
        day = part.event_date
        return part.source, day if day >= start else day.replace(day=1)

    wanted = sorted(
        (part for part in partitions if part.table == "reviews" and part.event_date <= as_of),
        key=lambda part: (part.source, part.event_date),
    )
    return [_make_period(list(group)) for _, group in groupby(wanted, key=period_of)]


def merge_periods(
    periods: Sequence[PeriodRef], as_of: date, *, min_rows: int
) -> dict[PeriodRef, PeriodRef]:
    """Each period -> the longer one that its texts are read in.

    Encoders work best on many texts at once, so whole months that are long past are joined, oldest
    first, until they hold `min_rows` reviews. Recent days stay on their own.
    """
    start = find_daily_start(as_of)
    groups: list[list[PeriodRef]] = []
    for period in sorted(periods, key=lambda period: (period.source, period.start)):
        is_joined = (
            bool(groups)
            and period.start < start
            and groups[-1][0].source == period.source
            and sum(part.rows for part in groups[-1]) < min_rows
        )
        if is_joined:
            groups[-1].append(period)
        else:
            groups.append([period])
    return {period: _join_periods(group) for group in groups for period in group}


def _join_periods(parts: Sequence[PeriodRef]) -> PeriodRef:
    if len(parts) == 1:
        return parts[0]
    digest = hashlib.sha256("".join(part.fingerprint for part in parts).encode())
    return PeriodRef(
        source=parts[0].source,
        start=parts[0].start,
        end=parts[-1].end,
        fingerprint=digest.hexdigest(),
        rows=sum(part.rows for part in parts),
    )


def _make_period(parts: list[PartitionRef]) -> PeriodRef:
    return PeriodRef(
        source=parts[0].source,
        start=parts[0].event_date,
        end=parts[-1].event_date,
        fingerprint=hash_partitions(parts),
        rows=sum(part.rows for part in parts),
    )


def hash_partitions(parts: Iterable[PartitionRef]) -> str:
    """One fingerprint of several partitions."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(
            f"{part.table}\0{part.source}\0{part.event_date}\0{part.fingerprint}\n".encode()
        )
    return digest.hexdigest()


def select_history(
    partitions: Sequence[PartitionRef], period: PeriodRef, *, history_days: int
) -> list[PartitionRef]:
    """Review partitions of the period's source from `history_days` before it up to its end."""
    first = period.start - timedelta(days=history_days)
    return [
        part
        for part in partitions
        if part.table == "reviews"
        and part.source == period.source
        and first <= part.event_date <= period.end
    ]
