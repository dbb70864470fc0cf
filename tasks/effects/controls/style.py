"""How a text is written, apart from what it says: its length and its punctuation, as columns.

A reader notices at once that a text is long, shouts or asks, and treatments are given by such looks; an
embedding tells little of it, and words nothing.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray

_QUANTILES: Final = tuple(i / 10 for i in range(1, 10))
_SIGNS: Final = ("!", "?", ",", "(", '"', ":", "\n", "http")


def count_words(texts: Sequence[str]) -> FloatArray:
    """Words of each text, shape (n,)."""
    return np.array([len(text.split()) for text in texts], dtype=np.float64)


def describe_style(texts: Sequence[str]) -> FloatArray:
    """Looks of each text, shape (n, s).

    Whether it is longer than each tenth of the texts, in words; the logarithm of one plus how often it has
    each of a few signs, digits, capital letters, and words in capitals; its mean length of a word.
    """
    words = count_words(texts)
    steps = (
        [words > limit for limit in np.unique(np.quantile(words, _QUANTILES))] if len(words) else []
    )
    counts = [[text.count(sign) for text in texts] for sign in _SIGNS]
    counts.append([sum(map(str.isdigit, text)) for text in texts])
    counts.append([sum(map(str.isupper, text)) for text in texts])
    counts.append(
        [sum(len(word) > 1 and word.isupper() for word in text.split()) for text in texts]
    )
    letters = np.array([len(text) for text in texts], dtype=np.float64) / np.maximum(words, 1)
    return np.column_stack([*steps, *(np.log1p(column) for column in counts), letters]).astype(
        np.float64
    )
