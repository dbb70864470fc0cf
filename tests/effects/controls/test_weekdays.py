"""Dates that are controls bring their calendar along."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from tasks.effects.controls.columns import build_controls
from tasks.effects.controls.weekdays import read_days
from tests.effects.confounded import answer_by, ask


def draw_days(seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    day = rng.integers(0, 364, 1200)
    dates = [dt.date(2024, 1, 1) + dt.timedelta(int(at)) for at in day]
    return answer_by(rng, 1.5 * (day % 7 >= 5) - 0.5, date=dates)


def test_weekends_are_adjusted_for_where_a_date_is_a_control():
    found = [ask(draw_days(seed), ["date"])["estimates"][0] for seed in range(5)]
    assert sum(one["ci_low"] < 1 < one["ci_high"] for one in found) >= 4
    assert np.mean([one["estimate"] for one in found]) == pytest.approx(1, abs=0.1)


def test_whole_numbers_that_are_days_are_dates():
    frame = draw_days(0).with_columns(pl.col("date").dt.strftime("%Y%m%d").cast(pl.Int64))
    built = build_controls(frame, ["date"], max_levels=20)
    assert built.names == build_controls(draw_days(0), ["date"], max_levels=20).names
    assert any(note.startswith("control date is read as dates (2024-") for note in built.notes)
    answer = ask(frame, ["date"])["estimates"][0]
    assert answer["ci_low"] < 1 < answer["ci_high"]


@pytest.mark.parametrize("changed", [20241301, 20240230, 2024101, 11111111, 7, None])
def test_one_number_that_is_no_day_makes_numbers_of_all(changed: int | None):
    numbers = [20240101 + i % 28 for i in range(400)]
    frame = pl.DataFrame({"date": [*numbers, changed]})
    read, notes = read_days(frame, ["date"])
    assert read.schema["date"] == (pl.Date if changed is None else pl.Int64)
    assert bool(notes) == (changed is None)
    assert read_days(frame.head(13), ["date"])[1] == [], "thirteen days"


def test_times_bring_days_months_and_parts_of_the_day():
    frame = draw_days(0).with_columns(
        at=pl.col("date").cast(pl.Datetime("us", "UTC"))
        + pl.duration(hours=pl.int_range(pl.len()) % 24)
    )
    names = build_controls(frame, ["at"], max_levels=20).names
    added = {name.removeprefix("at:") for name in names} - {"at", "s1", "s2"}
    assert len(added & {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}) == 6
    assert len(added & {"Jan", "Feb", "Mar", "Jul", "Dec"}) >= 4
    assert len(added) == 6 + 11 + 3


@pytest.mark.parametrize(("rows", "days", "added"), [(1200, 13, 0), (1200, 60, 6), (150, 60, 1)])
def test_few_days_or_rows_bring_less_of_the_calendar(rows: int, days: int, added: int):
    at = [dt.date(2024, 1, 1) + dt.timedelta(i % days) for i in range(rows)]
    built = build_controls(pl.DataFrame({"date": at}), ["date"], max_levels=20)
    assert sum(":" in name and ":s" not in name for name in built.names) == added
    assert built.features.shape[1] == 1 + added
