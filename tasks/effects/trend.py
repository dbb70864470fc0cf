"""Effects over time: one estimate a month, or a week while there is little history.

A trend is for looking at: its points stand beside the window's estimate, are not tested, and take
no part in false-discovery control. Nuisances are fitted anew for every stretch, so that nothing of
the future enters a point.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from tasks.effects.estimate import HEADLINE, Method, Row, Window, estimate_effects
from tasks.effects.moments import Moments, sum_moments

WEEKLY_DAYS: Final = 120
"""Histories up to so many days are shown by week."""
MAX_POINTS: Final = 36


def estimate_trend(
    batches: Sequence[tuple[date, date, Moments]],
    *,
    source: str,
    attributes: Sequence[str],
    outcome: str,
    method: Method,
) -> list[Row]:
    """Headline effect of every attribute in each stretch of time, at most the last 36.

    `batches` are (first day, last day, moments) of periods in time order. Keys: source, attribute,
    start, end, estimate, ci_low, ci_high, n; estimate None where there is no number.
    """
    rows = []
    for start, end, moments in group_stretches(batches)[-MAX_POINTS:]:
        found = estimate_effects(
            moments, window=Window(source, "trend", start, end), attributes=attributes,
            outcome=outcome, method=method,
        )  # fmt: skip
        names = ("estimate", "ci_low", "ci_high", "n")
        rows += [
            {"source": source, "attribute": row["attribute"], "start": start, "end": end}
            | {name: row[name] for name in names}
            for row in found
            if row["contrast"] == HEADLINE
        ]
    return rows


def group_stretches(
    batches: Sequence[tuple[date, date, Moments]],
) -> list[tuple[date, date, Moments]]:
    """Periods added up by ISO week or by calendar month of their first day, in time order."""
    if not batches:
        return []
    is_weekly = (batches[-1][1] - batches[0][0]).days < WEEKLY_DAYS

    def stretch_of(day: date) -> date:
        return day - timedelta(days=day.weekday()) if is_weekly else day.replace(day=1)

    grouped: dict[date, list[tuple[date, date, Moments]]] = {}
    for batch in batches:
        grouped.setdefault(stretch_of(batch[0]), []).append(batch)
    return [
        (parts[0][0], parts[-1][1], sum_moments(part[2] for part in parts))
        for parts in grouped.values()
    ]
