"""What people said that a text says of an attribute: the spellings of labels, read in one place."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.platform.errors import InputError

POSITIVE: Final = 1
NEGATIVE: Final = -1
NEUTRAL: Final = 0
ABSENT: Final = 9
"""Not mentioned."""
UNDECIDED: Final = 99
"""Raters found no majority, or nobody was asked: not a label."""
NO_MAJORITY: Final = "no majority"
"""How labelled data write that raters disagreed."""

_SPELLINGS: Final[dict[str, int]] = {
    **dict.fromkeys(("positive", "1", "1.0", "+1"), POSITIVE),
    **dict.fromkeys(("negative", "-1", "-1.0"), NEGATIVE),
    **dict.fromkeys(("neutral", "0", "0.0"), NEUTRAL),
    **dict.fromkeys(("unknown", "not mentioned", "absent", ""), ABSENT),
    NO_MAJORITY: UNDECIDED,
}


def read_labels(series: pl.Series) -> npt.NDArray[np.int64]:
    """Labels of one attribute, shape (n,): POSITIVE, NEGATIVE, NEUTRAL, ABSENT or UNDECIDED.

    Capitals and blanks around do not matter; nothing at all means not mentioned. Raises InputError
    for a value that is no label.
    """
    text = _as_text(series)
    strange = text.filter(~text.is_in(list(_SPELLINGS))).unique().sort()
    if len(strange):
        raise InputError(
            f"{series.name} holds {strange.head(3).to_list()}; allowed are Positive, Negative, "
            "neutral, unknown, 'no majority', 1, -1, 0 and nothing"
        )
    labels: npt.NDArray[np.int64] = text.replace_strict(
        _SPELLINGS, return_dtype=pl.Int64
    ).to_numpy()
    return labels


def to_sides(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """1 for praise, -1 for blame, 0 for neither (neutral or not mentioned); the shape of `labels`."""
    return np.where(np.abs(labels) == 1, labels, 0).astype(np.int64)


def _as_text(series: pl.Series) -> pl.Series:
    if series.dtype.is_float():
        series = series.fill_nan(None)
    return series.cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
