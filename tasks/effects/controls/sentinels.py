"""Numbers that stand for "missing", such as -999 among ages."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import FloatArray, read_numbers

_SHARE: Final = 0.01
_ROWS: Final = 5
_FAR: Final = 5.0
"""Interquartile ranges of all other values that a code lies away from them."""
_FAR_NINES: Final = 2.0
"""The same for a row of nines."""
_TOGETHER: Final = 3
"""So many codes may stand at one end."""
_FEW: Final = 10
"""Of so few other values, only a row of nines is told from a rare value."""


def blank_sentinels(
    frame: pl.DataFrame, controls: Sequence[str]
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """`frame` with numbers of `controls` that stand for "missing" made missing; which, in words."""
    notes = []
    for name in controls:
        if not frame.schema[name].is_numeric():
            continue
        values = read_numbers(frame[name])
        for code in find_sentinels(values):
            rows = int((values == code).sum())
            notes.append(
                f"control {name} is {code:g} in {rows:,} rows ({rows / frame.height:.1%}), far from all "
                "its other values: this was read as missing; give it another number if it is meant"
            )
            as_code = pl.col(name).cast(pl.Float64) == code
            frame = frame.with_columns(
                pl.when(as_code).then(None).otherwise(pl.col(name)).alias(name)
            )
    return frame, tuple(notes)


def find_sentinels(values: FloatArray) -> list[float]:
    """Values in over 1% of the rows that lie far beyond all others, at either end.

    Zero is a number everywhere (none bought, nothing earned) and is never one of them.
    """
    seen = values[~np.isnan(values)]
    distinct, counts = np.unique(seen, return_counts=True)
    is_many = counts >= max(_SHARE * len(values), _ROWS)
    found: list[float] = []
    for side in (slice(None), slice(None, None, -1)):
        ends, many = distinct[side], is_many[side]
        for k in range(1, min(_TOGETHER, len(ends) - 2) + 1):
            if not many[k - 1] or ends[k - 1] == 0:
                break
            if _is_far(ends[:k], ends[k:], seen):
                found += [float(code) for code in ends[:k]]
                break
    return found


def _is_far(codes: FloatArray, others: FloatArray, seen: FloatArray) -> bool:
    rest = seen[~np.isin(seen, codes)]
    low, high = np.quantile(rest, [0.25, 0.75])
    is_nines = all(set(f"{abs(code):.0f}") == {"9"} and code == round(code) for code in codes)
    if len(others) < _FEW and not is_nines:
        return False
    times = _FAR_NINES if is_nines and len(others) >= _FEW else _FAR
    # Of few others, and where most of them are one value, their range says what is far.
    is_spread = high > low and len(others) >= _FEW
    far = times * (high - low if is_spread else np.ptp(others))
    inner = codes[-1]
    gap = abs(inner - others[0])
    return bool(gap > far and (inner < low - far or inner > high + far))
