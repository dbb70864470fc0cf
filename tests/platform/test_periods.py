"""Periods: recent days alone, past months whole, and long past months read together."""

from datetime import date, timedelta

import hypothesis.strategies as st
from hypothesis import given

from tasks.platform.periods import find_daily_start, merge_periods, select_history, split_periods
from tasks.platform.refs import PartitionRef

FIRST = date(2023, 1, 1)


def make_parts(days: list[int], source: str = "s") -> list[PartitionRef]:
    return [
        PartitionRef(
            table="reviews",
            source=source,
            event_date=FIRST + timedelta(days=day),
            fingerprint=f"{source}{day}",
            rows=day % 7 + 1,
        )
        for day in days
    ]


@given(st.sets(st.integers(0, 700)), st.integers(0, 760), st.integers(1, 400))
def test_every_day_up_to_the_night_is_in_exactly_one_period(
    days: set[int], until: int, min_rows: int
) -> None:
    as_of = FIRST + timedelta(days=until)
    parts = [*make_parts(sorted(days)), *make_parts(sorted(days), "t")]
    periods = split_periods(parts, as_of)
    seen = [part for part in parts if part.event_date <= as_of]
    assert sum(period.rows for period in periods) == sum(part.rows for part in seen)
    for part in seen:
        holders = [
            p for p in periods if p.source == part.source and p.start <= part.event_date <= p.end
        ]
        assert len(holders) == 1
        if part.event_date >= find_daily_start(as_of):
            assert holders[0].start == holders[0].end == part.event_date
    joined = merge_periods(periods, as_of, min_rows=min_rows)
    assert set(joined) == set(periods)
    assert sum(whole.rows for whole in set(joined.values())) == sum(part.rows for part in seen)


def test_a_new_day_changes_no_older_period() -> None:
    as_of = FIRST + timedelta(days=600)
    before = split_periods(make_parts(list(range(600))), as_of)
    after = split_periods(make_parts(list(range(601))), as_of)
    assert after[:-1] == before


def test_a_changed_day_changes_its_own_period_only() -> None:
    as_of = FIRST + timedelta(days=600)
    parts = make_parts(list(range(600)))
    changed = [*parts[:10], parts[10].model_copy(update={"fingerprint": "other"}), *parts[11:]]
    pairs = list(zip(split_periods(parts, as_of), split_periods(changed, as_of), strict=True))
    assert [a != b for a, b in pairs] == [True] + [False] * (len(pairs) - 1)


def test_history_reaches_back_so_many_days_and_no_further() -> None:
    parts = make_parts(list(range(100)))
    period = split_periods(parts, FIRST + timedelta(days=99))[-1]
    found = select_history(parts, period, history_days=30)
    assert next(part.event_date for part in found) == period.start - timedelta(days=30)
    assert found[-1].event_date == period.end
