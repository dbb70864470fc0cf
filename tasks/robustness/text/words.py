"""The words of a text, and the text with some of them changed; nothing else of it moves."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

_LETTERS: Final = r"[^\W\d_]+(?:[\u0300-\u036f][^\W\d_]*)*"
"""With accents that are written behind their letter."""
_WORD: Final = re.compile(rf"{_LETTERS}(?:['’]{_LETTERS})*")


@dataclass(frozen=True)
class Words:
    """A text and the character ranges of its words, in order."""

    text: str
    spans: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.spans)

    def word(self, at: int) -> str:
        """Word number `at` as written, an accented letter as one."""
        start, end = self.spans[at]
        return unicodedata.normalize("NFC", self.text[start:end])

    def change(self, changes: Mapping[int, str]) -> str:
        """The text with words by number replaced; an empty replacement takes a blank with it."""
        pieces, last = [], 0
        for at in sorted(changes):
            start, end = self.spans[at]
            gap = self.text[last:start]
            pieces.append(gap.rstrip(" ") if not changes[at] and gap.endswith(" ") else gap)
            pieces.append(changes[at])
            last = end
        return "".join([*pieces, self.text[last:]])


def split_words(text: str) -> Words:
    """Runs of letters, with their accents, and inner apostrophes; any string is fine."""
    return Words(text, tuple(match.span() for match in _WORD.finditer(text)))


def match_case(word: str, like: str) -> str:
    """`word` in the capitals of `like`."""
    if len(like) > 1 and like.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def count_changed_words(original: str, changed: str) -> int:
    """Words to insert, delete or replace to come from one to the other (Levenshtein over words)."""
    one = [original[a:b] for a, b in split_words(original).spans]
    other = [changed[a:b] for a, b in split_words(changed).spans]
    first = 0
    while first < min(len(one), len(other)) and one[first] == other[first]:
        first += 1
    one, other = one[first:], other[first:]
    while one and other and one[-1] == other[-1]:
        one.pop()
        other.pop()
    row = list(range(len(other) + 1))
    for left, word in enumerate(one, start=1):
        before, row[0] = row[0], left
        for right, rival in enumerate(other, start=1):
            step = before + (word != rival)
            before, row[right] = row[right], min(step, row[right] + 1, row[right - 1] + 1)
    return row[-1]


@cache
def load_stop_words() -> frozenset[str]:
    """English words that carry grammar and no content, in lower case."""
    text = (
        resources.files("tasks.robustness.text.data").joinpath("stopwords.txt").read_text("utf-8")
    )
    return frozenset(text.split())


@cache
def load_table(name: str) -> Mapping[str, Any]:
    """The TOML word list called `name` of this package."""
    file = resources.files("tasks.robustness.text.data").joinpath(f"{name}.toml")
    return tomllib.loads(file.read_text("utf-8"))
