"""What a date says beside how long ago it was: day of the week, month, part of the day."""

from collections.abc import Sequence
from typing import Final

import polars as pl

_LEAST_DAYS: Final = 14
_LEAST_SPAN: Final = 60
"""Days from the first to the last beyond which months tell seasons."""
_LEAST_ROWS: Final = 10
_DAY_NUMBERS: Final = (1900_01_01, 2100_12_31)
_HOURS: Final = 6
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def read_days(frame: pl.DataFrame, controls: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """`frame` with whole numbers that are days (20240331) as dates, of 14 days or more; which, in words."""
    notes = []
    for name in controls:
        if not frame.schema[name].is_integer() or frame[name].n_unique() < _LEAST_DAYS:
            continue
        days = frame[name].cast(pl.String).str.to_date("%Y%m%d", strict=False)
        is_day = frame[name].is_between(*_DAY_NUMBERS) & days.is_not_null()
        if not (is_day | frame[name].is_null()).all():
            continue
        frame = frame.with_columns(days.alias(name))
        notes.append(f"control {name} is read as dates ({days.drop_nulls()[0]} and so on)")
    return frame, notes


def add_calendar(
    frame: pl.DataFrame, controls: Sequence[str], *, is_small: bool
) -> tuple[pl.DataFrame, list[str]]:
    """`frame` with columns of the calendar beside each date of at least 14 days; all controls.

    Each column is true or false, against the most frequent day, month or part of the day; those of
    fewer than 10 rows have none. A small table has one for weekends alone.
    """
    names = list(controls)
    for name in controls:
        if frame.schema[name] not in (pl.Date, pl.Datetime):
            continue
        columns = _list_columns(frame[name], is_small=is_small)
        columns = [one for one in columns if one.name not in frame.columns]
        frame = frame.with_columns(columns)
        names += [one.name for one in columns]
    return frame, names


def _list_columns(series: pl.Series, *, is_small: bool) -> list[pl.Series]:
    days = series.dt.date()
    if days.drop_nulls().n_unique() < _LEAST_DAYS:
        return []
    weekday = days.dt.weekday() - 1
    if is_small:
        is_weekend = (weekday >= len(_DAYS) - 2).fill_null(value=False)
        return _keep([is_weekend.alias(f"{series.name}:weekend")])
    columns = _tell_apart(weekday, _DAYS)
    if int(days.cast(pl.Int32).max() or 0) - int(days.cast(pl.Int32).min() or 0) > _LEAST_SPAN:  # type: ignore[arg-type]
        columns += _tell_apart(days.dt.month() - 1, _MONTHS)
    if series.dtype == pl.Datetime:
        parts = [f"{hour}-{hour + _HOURS}h" for hour in range(0, 24, _HOURS)]
        columns += _tell_apart(series.dt.hour() // _HOURS, parts)
    return columns


def _tell_apart(codes: pl.Series, labels: Sequence[str]) -> list[pl.Series]:
    """One column for each code but the most frequent, named by `labels`."""
    columns = [
        (codes == code).fill_null(value=False).alias(f"{codes.name}:{label}")
        for code, label in enumerate(labels)
    ]
    columns.sort(key=lambda one: -int(one.sum()))
    return _keep(columns[1:])


def _keep(columns: Sequence[pl.Series]) -> list[pl.Series]:
    return [one for one in columns if _LEAST_ROWS <= int(one.sum()) <= one.len() - _LEAST_ROWS]
