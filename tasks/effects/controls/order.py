"""An order of rows that hangs on what they hold, not on how a table was sorted.

Folds, starts of clusters of texts and draws of rows go by place. A table that was exported without a
sort comes in another order each time, and its estimate would move with it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.moments import IntArray

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)


def order_rows(columns: Sequence[pl.Series]) -> IntArray:
    """Places of rows by a hash of their values' ranks in each of `columns`, shape (n,).

    The unit of a number does not count, nor how it is stored. Rows that are alike in all columns
    keep their order among themselves.
    """
    key = np.zeros(len(columns[0]), dtype=np.uint64)
    for values in columns:
        key = _mix(key + _STEP + _rank(values))
    order: IntArray = np.argsort(key, kind="stable")
    return order


def _rank(values: pl.Series) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """Dense ranks from 1, 0 where there is no value; text and categories by their letters."""
    if values.dtype == pl.Boolean:
        values = values.cast(pl.Int8)
    elif not (values.dtype.is_numeric() or values.dtype.is_temporal()):
        values = values.cast(pl.String)
    ranks: np.ndarray[tuple[int], np.dtype[np.uint64]] = (
        values.rank("dense").fill_null(0).cast(pl.UInt64).to_numpy()
    )
    return ranks


def _mix(
    key: "np.ndarray[tuple[int], np.dtype[np.uint64]]",
) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2714064.2660195)."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray[tuple[int], np.dtype[np.uint64]] = key ^ (key >> np.uint64(31))
    return mixed
