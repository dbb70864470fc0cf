"""A stream drawn ahead in another thread."""

from collections.abc import Iterator
from threading import Event, get_ident

import pytest

from tasks.ingest.ahead import iter_ahead

LONG = 20.0
"""Seconds; only a test that fails waits for so long."""


@pytest.mark.parametrize("n_values", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("n_ahead", [1, 2, 5])
def test_all_values_come_in_their_order(n_values: int, n_ahead: int) -> None:
    assert list(iter_ahead(iter(range(n_values)), n_ahead)) == list(range(n_values))


def test_values_are_drawn_by_one_other_thread_before_they_are_asked_for() -> None:
    drawn = [Event() for _ in range(5)]
    threads = set()

    def draw() -> Iterator[int]:
        for at, each in enumerate(drawn):
            threads.add(get_ident())
            each.set()
            yield at

    values = iter_ahead(draw(), 2)
    assert next(values) == 0
    assert drawn[2].wait(LONG), "the second after the first is not drawn while the first is used"
    assert not drawn[3].is_set()
    assert list(values) == [1, 2, 3, 4]
    assert len(threads) == 1
    assert get_ident() not in threads


def test_what_goes_wrong_is_raised_after_the_values_before_it() -> None:
    def draw() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("the third cannot be read")

    values = iter_ahead(draw(), 5)
    assert [next(values), next(values)] == [1, 2]
    with pytest.raises(ValueError, match="the third cannot be read"):
        next(values)


def test_who_stops_early_leaves_nothing_being_drawn() -> None:
    n_drawn = 0

    def draw() -> Iterator[int]:
        nonlocal n_drawn
        for at in range(1_000_000):
            n_drawn += 1
            yield at

    values = iter_ahead(draw(), 2)
    next(values)
    values.close()
    n_then = n_drawn
    assert n_then <= 4
    assert next(values, None) is None
    assert n_drawn == n_then
