"""Row-count bounds from history: known days, properties, and what they must not do."""

from datetime import date, timedelta
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.inputs import HistoryBounds
from tasks.quality.history import row_count_bounds

DAY = date(2024, 3, 7)  # a Thursday
COUNTS = st.lists(st.integers(0, 1_000_000), min_size=7, max_size=60)


def bound(
    counts: list[int], *, min_share: float = 0.3, max_share: float = 3.0, history_days: int = 28
) -> HistoryBounds | None:
    """Bounds of `DAY` when `counts` are those of the days before it, the latest first."""
    days = {DAY - timedelta(days=i + 1): n for i, n in enumerate(counts)}
    return row_count_bounds(
        days, DAY, min_share=min_share, max_share=max_share, history_days=history_days
    )


def must(bounds: HistoryBounds | None) -> HistoryBounds:
    assert bounds is not None
    return bounds


def test_steady_days_are_bounded_by_shares_of_the_median() -> None:
    found = must(bound([10_000] * 28))
    assert found.usual == 10_000
    assert found.critical_min == ceil(0.3 * 10_000)
    assert found.warn_min == ceil(0.3**0.5 * 10_000)
    assert found.warn_max == 30_000
    assert found.critical_max == 90_000


@pytest.mark.parametrize(("n_days", "is_enough"), [(0, False), (6, False), (7, True)])
def test_fewer_than_seven_days_say_nothing(n_days: int, is_enough: bool) -> None:
    assert (bound([100] * n_days) is not None) == is_enough


def test_days_outside_the_window_and_the_day_itself_are_not_read() -> None:
    counts = {DAY - timedelta(days=i): 100 for i in range(1, 8)}
    edge = {DAY: 999_999, DAY + timedelta(days=1): 999_999, DAY - timedelta(days=8): 999_999}

    def bound_week(counts: dict[date, int]) -> HistoryBounds | None:
        return row_count_bounds(counts, DAY, min_share=0.3, max_share=3.0, history_days=7)

    assert bound_week(counts | edge) == bound_week(counts) is not None


def test_a_quiet_weekday_is_compared_with_its_own_kind() -> None:
    """Thursdays bring 100, other days 1,000: 100 is usual on a Thursday."""
    counts = [100 if (i + 1) % 7 == 0 else 1_000 for i in range(28)]
    found = must(bound(counts))
    assert found.usual == 100
    assert found.n_days == 4
    assert found.basis == "median of the last 4 Thursdays"
    short = must(bound(counts, history_days=27))
    assert short.usual == 1_000
    assert short.basis == "median of 27 earlier days"


def test_days_of_a_handful_of_rows_never_stop_on_chance() -> None:
    """Poisson counts around 4: none at all, or a hundred, are still published."""
    found = must(bound([4, 3, 6, 2, 5, 4, 4, 7, 1, 4]))
    assert found.critical_min == 0
    assert found.warn_min == 0
    assert found.critical_max >= 100


def test_an_empty_day_after_full_ones_is_critical() -> None:
    assert must(bound([200] * 10)).critical_min > 0
    assert must(bound([40] * 10)).critical_min > 0


def test_one_outage_in_history_does_not_move_the_bounds() -> None:
    assert must(bound([1_000] * 20)) == must(bound([1_000] * 9 + [0] + [1_000] * 10))


def test_wild_history_widens_the_bounds_beyond_the_shares() -> None:
    """Deviations of 400 around 1,000: 4 * 1.4826 * 400 reaches below zero."""
    found = must(bound([600, 1_400] * 5 + [1_000]))
    assert found.critical_min == 0
    assert found.warn_max == floor(max(3_000, 1_000 + 3 * 1.4826 * 400))


def test_zeros_alone_allow_small_days() -> None:
    found = must(bound([0] * 10))
    assert (found.warn_min, found.critical_min) == (0, 0)
    assert found.critical_max == 100


@given(COUNTS, st.floats(0, 1), st.floats(1, 10))
def test_bounds_are_nested_and_hold_the_usual_count(
    counts: list[int], min_share: float, max_share: float
) -> None:
    found = must(bound(counts, min_share=min_share, max_share=max_share, history_days=60))
    assert 0 <= found.critical_min <= found.warn_min <= ceil(found.usual)
    assert floor(found.usual) <= found.warn_max <= found.critical_max


@given(COUNTS, st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_share_never_narrows_the_bounds(counts: list[int], a: float, b: float) -> None:
    low = must(bound(counts, min_share=min(a, b)))
    high = must(bound(counts, min_share=max(a, b)))
    assert low.critical_min <= high.critical_min
    assert low.warn_min <= high.warn_min
