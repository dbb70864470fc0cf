"""What a night needs to be told from the one before: moved effects, usual drops, past figures."""

from datetime import date
from typing import Final

from pydantic import AliasChoices, Field

from tasks.report.fields import Count, Name, Number, Row

DAILY_SHARE: Final = 0.8
"""A table that comes on fewer of the days is not missed on a night without it."""
MIN_USUAL: Final = 5
"""Earlier drops of a source below which nothing is called usual."""
MIN_DAILY: Final = 3
"""Earlier drops below which it is not known how often a table comes."""
OVERDUE_GAPS: Final = 2
"""Silence of so many times the longest wait between two drops is not as usual."""


class MovedRow(Row):
    """How far one effect moved by the reviews gained and lost since the night before.

    `recomputed` is the earlier night's estimate from today's data and controls, `change` today's
    less that, with the interval of the change itself; in units of the outcome. `q_value` is over
    all changes of the night. `mentions_*` count mentions of the attribute among the rows.
    """

    source: Name
    window: Name
    outcome: Name = "rating"
    attribute: Name
    contrast: Name
    recomputed: Number = None
    change: Number = None
    std_error: Number = None
    ci_low: Number = None
    ci_high: Number = None
    p_value: Number = None
    q_value: Number = None
    n_gained: Count = 0
    n_lost: Count = 0
    mentions_gained: Count = 0
    mentions_lost: Count = 0


class UsualRow(Row):
    """Published rows of a source's table over its last drops before this night.

    `n_days` is the days from the first to the `newest` of these drops, both counted, `longest_gap`
    the most days from one to the next, `refused_median` the share of rows quarantined.
    """

    source: Name
    table: Name = Field(default="reviews", validation_alias=AliasChoices("table", "table_name"))
    n_drops: Count = 0
    n_days: Count = 0
    newest: date | None = None
    longest_gap: Count = 0
    rows_low: Count = 0
    rows_median: Number = None
    rows_high: Count = 0
    refused_median: Number = None

    @property
    def is_daily(self) -> bool:
        """A drop came on most days."""
        return self.n_drops >= max(MIN_DAILY, DAILY_SHARE * self.n_days)

    def is_overdue(self, as_of: date) -> bool:
        """None came for far longer than ever before, up to the night of `as_of`."""
        if self.newest is None or self.n_drops < MIN_USUAL:
            return False
        return (as_of - self.newest).days > OVERDUE_GAPS * self.longest_gap


class PastQuality(Row):
    """The recommender in use on the night before."""

    source: Name
    model: Name = ""
    mse_weighted: Number = None
    ndcg_at_5: Number = None
    coverage: Number = None
