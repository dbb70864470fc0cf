"""Numbers in sentences and tables: never rounded to a nought that they are not."""

import math
from collections.abc import Mapping
from typing import Any, Final

_DECIMALS: Final = 2
_FIGURES: Final = 2
_FINEST: Final = 1e-5
_ROUND: Final = 1e6


def tell_signed(value: float) -> str:
    """`value` with its sign and two decimals, or two figures where it is smaller; nought is +0.00.

    +0.38, -0.0042, +1,794.34; +1.2e-07 and +3.1e+08 beyond a hundred-thousandth and a million.
    """
    size = abs(value)
    if size == 0 or not math.isfinite(size):
        return f"{abs(value):+.{_DECIMALS}f}"
    if size < _FINEST or size >= _ROUND:
        return f"{value:+.{_FIGURES - 1}e}"
    decimals = max(_DECIMALS, _FIGURES - 1 - math.floor(math.log10(size)))
    return f"{value:+,.{decimals}f}"


def tell_estimate(found: Mapping[str, Any]) -> str:
    """`estimate` with its interval: +0.38 [+0.21, +0.55]."""
    low, high = tell_signed(found["ci_low"]), tell_signed(found["ci_high"])
    return f"{tell_signed(found['estimate'])} [{low}, {high}]"
