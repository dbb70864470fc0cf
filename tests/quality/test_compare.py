"""Figures beside those of earlier days: clean days pass, odd ones are told, sources differ."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from expectations.inputs import Compared
from tasks.quality.compare import compare_days, measure_overlap, measure_psi, share_known

FULL = 128


def make_day(rng: np.random.Generator, n: int = 300, **changes: Any) -> dict[str, Any]:
    """A day of 1,000 possible users, 40 items, ratings and hours drawn at random."""
    stars = rng.multinomial(n, [0.1, 0.1, 0.1, 0.2, 0.5])
    hours = rng.multinomial(n, np.full(24, 1 / 24))
    known = np.sort(np.random.default_rng(0).integers(0, 2**52, 1_000))
    drawn = np.unique(rng.choice(known, n))
    return {
        "n_ids": FULL,
        "n_rows": n,
        "n_own_day": n,
        "hours": {str(at): int(count) for at, count in enumerate(hours)},
        "keys": sorted(int(each) for each in rng.integers(0, 2**52, n))[:FULL],
        "users": [int(each) for each in drawn[:FULL]],
        "items": list(range(40)),
        "ratings": {str(at + 1): int(count) for at, count in enumerate(stars)},
        "n_empty": int(rng.binomial(n, 0.1)),
        "n_garbled": 0,
        "n_top_user": 3,
        "n_top_item": 20,
        "n_top_text": 2,
        "n_words": 9_000,
        "words": dict(
            zip(
                "the a is it to and of".split(),
                rng.multinomial(3_000, [1 / 7] * 7).tolist(),
                strict=True,
            )
        ),
    } | changes


def is_far(found: Compared) -> bool:
    is_low = found.low is not None and found.value < found.low
    return found.skip_reason is None and (
        is_low or (found.high is not None and found.value > found.high)
    )


def list_far(found: Mapping[str, Compared]) -> list[str]:
    return [name for name, each in found.items() if is_far(each)]


@pytest.mark.parametrize("n", [60, 300, 3_000])
def test_of_100_clean_days_hardly_any_is_called_unusual(n: int) -> None:
    rng = np.random.default_rng(1)
    days = [make_day(rng, n) for _ in range(128)]
    alarms = [list_far(compare_days(days[at], days[at - 28 : at])) for at in range(28, 128)]
    assert sum(map(bool, alarms)) <= 1, alarms


@pytest.mark.parametrize("n_days", [0, 6])
def test_first_days_and_small_days_are_not_compared(n_days: int) -> None:
    rng = np.random.default_rng(2)
    assert compare_days(make_day(rng), [make_day(rng) for _ in range(n_days)]) == {}
    assert compare_days(make_day(rng, 49), [make_day(rng) for _ in range(28)]) == {}
    assert compare_days(make_day(rng), [make_day(rng, 49) for _ in range(28)]) == {}
    assert compare_days(make_day(rng), [{}] * 28) == {}
    assert compare_days({}, [make_day(rng)] * 28) == {}


def test_ids_are_not_compared_where_no_earlier_one_is_in_the_sample() -> None:
    rng = np.random.default_rng(7)
    past = [make_day(rng, 60, keys=[2**51], users=[2**51], items=[2**51]) for _ in range(8)]
    flood = make_day(rng, 100_000, keys=list(range(FULL)), items=list(range(FULL)))
    found = compare_days(flood, past)
    for name in ("rows_new", "users_known", "items_known"):
        assert "none is in the sample" in str(found[name].skip_reason), name
    assert not is_far(found["ids_swapped"])


def test_what_a_source_always_does_is_no_alarm() -> None:
    rng = np.random.default_rng(3)
    odd: dict[str, Any] = {
        "n_empty": 300, "n_top_user": 300, "ratings": {"5": 300}, "n_own_day": 0, "keys": [1, 2, 3],
        "items": make_day(rng)["users"], "users": make_day(rng)["users"],
    }  # fmt: skip
    days = [make_day(rng, **odd) for _ in range(29)]
    found = compare_days(days[0], days[1:])
    assert list_far(found) == []
    stops = ("dated_on_day", "rows_new", "ids_swapped", "ratings_differ", "one_user", "texts_there")
    assert all(found[name].skip_reason for name in stops)


def test_one_bad_day_that_got_in_does_not_hide_the_next() -> None:
    rng = np.random.default_rng(4)
    days = [make_day(rng) for _ in range(27)]
    bad = make_day(rng, n_garbled=300, n_top_item=300, words={"der": 3_000})
    expected = ["top_item_as_usual", "garbled_as_usual", "words_as_usual"]
    assert list_far(compare_days(bad, [*days, bad | {"keys": [1]}])) == expected


@pytest.mark.parametrize(("n_new", "is_told"), [(0, False), (9, False), (60, True)])
def test_new_users_are_told_when_they_are_many(n_new: int, is_told: bool) -> None:
    rng = np.random.default_rng(5)
    days = [make_day(rng, 3_000) for _ in range(28)]
    users = make_day(rng, 3_000)["users"]
    mixed = sorted(each + 1 if at < n_new * FULL / 300 else each for at, each in enumerate(users))
    found = compare_days(make_day(rng, 3_000, users=mixed), days)
    assert is_far(found["users_known"]) == is_told


def test_share_of_known_ids_is_right_though_only_some_are_kept() -> None:
    rng = np.random.default_rng(6)
    pool = rng.choice(2**52, 40_000, replace=False)
    truth = []
    for _ in range(40):
        past = [np.sort(rng.choice(pool[:20_000], 5_000, replace=False)) for _ in range(3)]
        today = np.sort(rng.choice(pool, 500, replace=False))
        told, _, n = share_known(
            today[:FULL].tolist(), [day[:FULL].tolist() for day in past], full=FULL
        )
        known = np.isin(today, np.concatenate(past)).mean()
        truth.append((told - known, n))
    errors = np.array([error for error, _ in truth])
    assert abs(errors.mean()) < 3 * errors.std(ddof=1) / np.sqrt(40)
    assert share_known([1, 2, 9], [[1], [2, 3]], full=FULL) == (2 / 3, [0.0, 0.0], 3)


def test_index_and_overlap_of_a_worked_example() -> None:
    assert measure_psi({"1": 10, "2": 30}, {"1": 100, "2": 300}) == pytest.approx(0.0, abs=1e-3)
    p, q = (3000.5 / 4001, 1000.5 / 4001), (0.25, 0.75)
    by_hand = sum((a - b) * np.log(a / b) for a, b in zip(p, q, strict=True))
    told = measure_psi({"1": 3_000, "2": 1_000}, {"1": 10**9, "2": 3 * 10**9})
    assert told == pytest.approx(by_hand, rel=1e-6)
    assert measure_overlap({"a": 5, "b": 5}, 10, {"a": 1, "c": 3}, 4) == 0.25
    assert measure_overlap({}, 0, {"a": 1}, 4) == 0.0
