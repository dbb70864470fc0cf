"""Neighbours of words in a space of word vectors, for attacks by substitution.

The nearest words of static vectors are synonyms and antonyms alike (Mrkšić et al. 2016,
https://arxiv.org/abs/1603.00892, mend the space instead): a word that is known to judge may only
become one that is known to judge alike, and no other word may become a judging one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from tasks.robustness.text.rewrites import load_sides
from tasks.robustness.text.words import load_stop_words

MOST: Final = 8
LEAST: Final = 0.55


def choose_vocabulary(tokens: Iterable[str]) -> list[str]:
    """Whole words among a tokenizer's tokens, in order: letters only, three or more, no stop words."""
    stop = load_stop_words()
    return [
        token
        for token in dict.fromkeys(tokens)
        if len(token) > 2 and token.isascii() and token.isalpha() and token.islower()
        and token not in stop
    ]  # fmt: skip


def find_neighbours(
    words: Sequence[str],
    vectors: npt.NDArray[np.float32],
    *,
    vocabulary: Sequence[str],
    space: npt.NDArray[np.float32],
    most: int = MOST,
    least: float = LEAST,
) -> Mapping[str, tuple[str, ...]]:
    """For each word up to `most` words of the vocabulary at a cosine of `least` or more.

    `vectors` (words, dim) and `space` (vocabulary, dim) are unit vectors. Forms of the word itself
    are left out, and words on another side of praise and blame.
    """
    sides = load_sides()
    found: dict[str, tuple[str, ...]] = {}
    for word, vector in zip(words, vectors, strict=True):
        cosines = (space @ vector).round(4)
        order = np.argsort(-cosines, kind="stable")[: 4 * most]
        near = [
            vocabulary[at]
            for at in order
            if cosines[at] >= least
            and sides.get(vocabulary[at]) == sides.get(word)
            and not _is_form(vocabulary[at], word)
        ]
        found[word] = tuple(near[:most])
    return found


def _is_form(one: str, other: str) -> bool:
    """Whether two words share all but their endings."""
    return one == other or one.rstrip("sedly") == other.rstrip("sedly")
