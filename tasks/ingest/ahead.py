"""A stream that another thread draws on while its values are used."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Value = TypeVar("Value")


def iter_ahead(values: Iterator[Value], n_ahead: int) -> Generator[Value, None, None]:
    """`values` in their order, up to `n_ahead` of them drawn before they are asked for; none is None.

    All are drawn in one thread. What goes wrong there is raised here, in its turn. Whoever stops
    early waits for the value that is being drawn, and no more are.
    """
    thread = ThreadPoolExecutor(1)
    try:
        drawn = deque(thread.submit(next, values, None) for _ in range(n_ahead))
        while (value := drawn.popleft().result()) is not None:
            drawn.append(thread.submit(next, values, None))
            yield value
    finally:
        thread.shutdown(wait=True, cancel_futures=True)
