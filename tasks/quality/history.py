"""How many rows a day may have, from the days before it."""

from collections.abc import Mapping
from datetime import date, timedelta
from math import ceil, floor, sqrt
from statistics import median

from expectations.inputs import HistoryBounds

__all__ = ["MIN_DAYS", "HistoryBounds", "row_count_bounds"]

MIN_DAYS = 7
"""Fewer earlier days say nothing about what is usual."""
MIN_SAME_WEEKDAYS = 4
"""From this many on, a Sunday is compared with Sundays."""
SMALL_DAY_ROWS = 100
"""A day of fewer rows is never too large to publish."""
WARN_SPREADS = 3.0
CRITICAL_SPREADS = 4.0
_MAD_TO_SD = 1.4826  # of a normal distribution


def row_count_bounds(
    counts: Mapping[date, int],
    event_date: date,
    *,
    min_share: float,
    max_share: float,
    history_days: int,
) -> HistoryBounds | None:
    """Bounds for the rows of `event_date`; None with fewer than 7 days of history.

    `counts` maps published dates to rows; only the `history_days` days before `event_date` are
    read (the day itself never is, so that a re-delivery is not compared with itself). Usual is
    the median of the same weekday where there are four of them, else of all days.

    Too few: below `min_share` (in [0, 1]) of usual is critical, below its square root a warning.
    Too many: above `max_share` (1 or more) of usual is a warning, above its square critical: a
    sale must not stop the night, a flood must. Each bound is widened to 3 (warning) or 4
    (critical) spreads of usual, so that days of a handful of rows do not stop on chance alone;
    the spread is the larger of Poisson's and of 1.4826 times the median absolute deviation.
    """
    first = event_date - timedelta(days=history_days)
    recent = {day: n for day, n in counts.items() if first <= day < event_date}
    if len(recent) < MIN_DAYS:
        return None
    used, basis = _choose_days(recent, event_date)
    usual = median(used)
    spread = max(sqrt(max(usual, 1.0)), _MAD_TO_SD * median(abs(n - usual) for n in used))
    warn, critical = WARN_SPREADS * spread, CRITICAL_SPREADS * spread
    warn_max = max(max_share * usual, usual + warn)
    return HistoryBounds(
        n_days=len(used),
        basis=basis,
        usual=usual,
        warn_min=max(0, ceil(min(sqrt(min_share) * usual, usual - warn))),
        warn_max=floor(warn_max),
        critical_min=max(0, ceil(min(min_share * usual, usual - critical))),
        critical_max=floor(max(max_share**2 * usual, usual + critical, warn_max, SMALL_DAY_ROWS)),
    )


def _choose_days(recent: Mapping[date, int], event_date: date) -> tuple[list[int], str]:
    """Counts to compare with, and what to call them."""
    alike = [n for day, n in recent.items() if day.weekday() == event_date.weekday()]
    if len(alike) >= MIN_SAME_WEEKDAYS:
        return alike, f"median of the last {len(alike)} {event_date:%A}s"
    return list(recent.values()), f"median of {len(recent)} earlier days"
