"""Effects over time: stretches are fitted by themselves."""

from datetime import date, timedelta

import numpy as np
import pytest

from tasks.effects.estimate import Method
from tasks.effects.moments import sum_moments
from tasks.effects.trend import MAX_POINTS, estimate_trend, group_stretches
from tests.effects.worlds import TRUTH, make_world

START = date(2024, 1, 1)


def make_days(count, *, rows=400, change=None):
    """One world a day; `change(world, day)` may turn it."""
    rng = np.random.default_rng(1)
    days = []
    for number in range(count):
        world = make_world(rng, rows=rows)
        if change:
            change(world, number)
        day = START + timedelta(days=number)
        days.append((day, day, world.moments()))
    return days


def follow(days):
    return estimate_trend(
        days, source="shop", attributes=list(TRUTH), outcome="rating", method=Method()
    )


def test_short_histories_are_followed_by_week_and_long_ones_by_month():
    weeks = group_stretches(make_days(15, rows=20))
    assert [(start, end) for start, end, _ in weeks] == [
        (START, date(2024, 1, 7)), (date(2024, 1, 8), date(2024, 1, 14)), (date(2024, 1, 15),) * 2,
    ]  # fmt: skip
    months = group_stretches(make_days(150, rows=5))
    assert [start for start, _, _ in months] == [date(2024, m, 1) for m in range(1, 6)]
    assert sum(moments.n for _, _, moments in months) == 750


def test_an_effect_that_turns_over_is_seen_where_it_turns():
    def turn(world, day):
        world.y[:] = world.y - (day >= 7) * 2 * world.d[:, 0]

    rows = [row for row in follow(make_days(14, change=turn)) if row["attribute"] == "sound"]
    first, second = rows
    assert first["estimate"] == pytest.approx(1.2, abs=0.4)
    assert second["estimate"] == pytest.approx(-0.8, abs=0.4)
    assert first["ci_low"] < first["estimate"] < first["ci_high"]


def test_a_stretch_is_what_its_rows_give_by_themselves():
    days = make_days(14)
    (alone, *_) = follow(days[:7])
    (first, *_) = follow(days)
    assert first["estimate"] == pytest.approx(alone["estimate"], rel=1e-12)
    assert first["n"] == sum_moments(day[2] for day in days[:7]).n


def test_what_has_too_few_mentions_has_no_number_and_no_history_no_rows():
    rows = follow(make_days(1, rows=60))
    assert {row["estimate"] for row in rows} == {None}
    assert follow([]) == []


def test_only_the_last_points_are_kept():
    days = [
        (date(2015 + n // 12, n % 12 + 1, 1),) * 2 + (make_days(1, rows=5)[0][2],)
        for n in range(40)
    ]
    assert len({row["start"] for row in follow(days)}) == MAX_POINTS
