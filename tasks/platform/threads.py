"""How many threads the numerical libraries of this process use."""

from typing import Final

from threadpoolctl import threadpool_limits

_FEW_ROWS: Final = 20_000
"""Below so many rows more threads than one cost more in waiting for one another than they give: where
other processes want the cores too, forty times as much."""


def hold_threads(count: int | None) -> threadpool_limits:
    """A context in which BLAS and OpenMP use `count` threads; None leaves them as they are.

    scikit-learn is loaded first: a library that is loaded within such a context is not held by it.
    """
    import sklearn.ensemble

    del sklearn
    return threadpool_limits(count)


def hold_threads_for(rows: int) -> threadpool_limits:
    """A context in which so many rows are learned from: one thread where they are few."""
    return hold_threads(1 if rows < _FEW_ROWS else None)
