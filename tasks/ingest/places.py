"""Where in many bytes the few are that matter."""

import numpy as np
from numpy.typing import NDArray

_WORD = 8


def find_few(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places (k,) where a contiguous mask (n,) is true, ascending, as `np.flatnonzero` gives them.

    Several times as fast where few are: eight are passed over at a time where none is.
    """
    whole = len(mask) - len(mask) % _WORD
    words = np.flatnonzero(mask[:whole].view(np.uint64))
    at, byte = np.nonzero(mask[:whole].reshape(-1, _WORD)[words])
    last = np.flatnonzero(mask[whole:]) + whole
    places: NDArray[np.int64] = np.concatenate((words[at] * _WORD + byte, last))
    return places
