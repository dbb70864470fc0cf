"""What a suite is told about the partition it judges. Imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class HistoryBounds:
    """How many rows a day is allowed, given the days before it.

    All counts are rows. Outside [`warn_min`, `warn_max`] is a warning, outside
    [`critical_min`, `critical_max`] stops publication; the second range contains the first.
    `usual` is the median of the `n_days` days that `basis` names ("the last 4 Thursdays").
    """

    n_days: int
    basis: str
    usual: float
    warn_min: int
    warn_max: int
    critical_min: int
    critical_max: int


@dataclass(frozen=True)
class Compared:
    """One figure of a drop beside the same figure of the days before it.

    `value` outside [`low`, `high`] fails the check (None: no such bound). `observed` and `allowed`
    say it in words. With `skip_reason` there was nothing to compare.
    """

    value: float = 0.0
    low: float | None = None
    high: float | None = None
    observed: str = ""
    allowed: str = "no result"
    skip_reason: str | None = None


@dataclass(frozen=True)
class SuiteInputs:
    """One staged partition: who sent it, its rows, and the dates it may hold.

    `earliest` and `latest` bound `event_date`, both included. `history` is None where a row
    count cannot be compared: a bulk import, a table without dates, too few days. `compared` holds
    figures of the rows beside those of earlier days, by name; what it lacks is not judged.
    """

    source: str
    n_rows: int
    earliest: date
    latest: date
    history: HistoryBounds | None
    compared: Mapping[str, Compared] = field(default_factory=dict)
