"""What a night needs to be told from the one before: moved effects, usual drops, past figures."""

from typing import Final

from pydantic import AliasChoices, Field

from tasks.report.fields import Count, Name, Number, Row

DAILY_SHARE: Final = 0.8
"""A table that comes on fewer of the days is not missed on a night without it."""
MIN_USUAL: Final = 5
"""Earlier drops of a source below which nothing is called usual."""


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

    `n_days` is the days that these drops took, `refused_median` the share of rows quarantined.
    """

    source: Name
    table: Name = Field(default="reviews", validation_alias=AliasChoices("table", "table_name"))
    n_drops: Count = 0
    n_days: Count = 0
    rows_low: Count = 0
    rows_median: Number = None
    rows_high: Count = 0
    refused_median: Number = None

    @property
    def is_daily(self) -> bool:
        """A drop comes on most days."""
        return self.n_drops >= DAILY_SHARE * self.n_days


class PastQuality(Row):
    """The recommender in use on the night before."""

    source: Name
    model: Name = ""
    mse_weighted: Number = None
    ndcg_at_5: Number = None
    coverage: Number = None
