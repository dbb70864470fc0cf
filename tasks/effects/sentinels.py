"""Numbers that stand for "missing", such as -999 among ages."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

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


def find_sentinels(values: NDArray[np.float64], *, is_log1p: bool = False) -> list[float]:
    """Values in over 1% of the rows that lie far beyond all others, at either end.

    `is_log1p` measures what is far by log(1 + x); numbers below 0 are none of them then.

    Zero is a number everywhere (none bought, nothing earned) and is never one of them.
    """
    seen = values[values >= 0] if is_log1p else values[~np.isnan(values)]
    distinct, counts = np.unique(seen, return_counts=True)
    is_many = counts >= max(_SHARE * len(values), _ROWS)
    to = np.log1p if is_log1p else np.asarray
    found: list[float] = []
    for side in (slice(None), slice(None, None, -1)):
        ends, many = distinct[side], is_many[side]
        for k in range(1, min(_TOGETHER, len(ends) - 2) + 1):
            if not many[k - 1] or ends[k - 1] == 0:
                break
            is_nines = all(set(f"{abs(c):.0f}") == {"9"} and c == round(c) for c in ends[:k])
            if _is_far(to(ends[:k]), to(ends[k:]), to(seen), is_nines=is_nines):
                found += [float(code) for code in ends[:k]]
                break
    return found


def _is_far(
    codes: NDArray[np.float64],
    others: NDArray[np.float64],
    seen: NDArray[np.float64],
    *,
    is_nines: bool,
) -> bool:
    rest = seen[~np.isin(seen, codes)]
    low, high = np.quantile(rest, [0.25, 0.75])
    if len(others) < _FEW and not is_nines:
        return False
    times = _FAR_NINES if is_nines and len(others) >= _FEW else _FAR
    # Of few others, and where most of them are one value, their range says what is far.
    is_spread = high > low and len(others) >= _FEW
    far = times * (high - low if is_spread else np.ptp(others))
    inner = codes[-1]
    gap = abs(inner - others[0])
    return bool(gap > far and (inner < low - far or inner > high + far))
