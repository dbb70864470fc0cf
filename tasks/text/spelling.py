"""Common misspellings of known words: doubled letters, a letter lost, added, swapped, a wrong vowel.

Candidates are found by deletions on both sides (the idea of W. Garbe's SymSpell,
https://github.com/wolfgarbe/SymSpell), on words whose repeated letters are written once. Short
words are left alone: most of their neighbours are words of their own.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

MIN_LETTERS: Final = 7
_REPEATED: Final = re.compile(r"([a-z])\1+")
_VOWELS: Final = "aeiou"


class WordIndex:
    """Known words by what is left of them when letters are dropped: the first of the alphabet each."""

    def __init__(self, words: Iterable[str]) -> None:
        """`words` in lower case; those that are short or hold anything but a-z are never guessed."""
        self.known = frozenset(words)
        usable = sorted(w for w in self.known if len(w) >= MIN_LETTERS - 1 and _is_plain(w))
        self.by_key: dict[str, str] = {}
        self.shortened: dict[str, str] = {}
        for word in usable:
            key = _squeeze(word)
            self.by_key.setdefault(key, word)
            for shorter in _drop_one(key):
                self.shortened.setdefault(shorter, word)


class Speller:
    """Finds the known word that a misspelt one stands for."""

    def __init__(self, *indexes: WordIndex) -> None:
        """All words of `indexes` are known, as if they stood in one."""
        self._indexes = indexes
        self._answers: dict[str, str] = {}

    def correct(self, word: str) -> str:
        """The known word meant by `word`, or `word` itself."""
        is_known = any(word in index.known for index in self._indexes)
        if len(word) < MIN_LETTERS or is_known or not _is_plain(word):
            return word
        if word not in self._answers:
            self._answers[word] = self._guess(word)
        return self._answers[word]

    def _guess(self, word: str) -> str:
        key = _squeeze(word)
        for candidate in (key, *_swap_two(key), *_change_vowel(key), *_drop_one(key)):
            if found := [i.by_key[candidate] for i in self._indexes if candidate in i.by_key]:
                return min(found)
        found = [i.shortened[key] for i in self._indexes if key in i.shortened]
        return min(found, default=word)


def _is_plain(word: str) -> bool:
    return word.isascii() and word.isalpha()


def _squeeze(word: str) -> str:
    """`word` with every run of a letter written once."""
    return _REPEATED.sub(r"\1", word)


def _drop_one(key: str) -> Iterator[str]:
    """`key` without one of its inner letters; a last letter is often an ending, not a mistake."""
    for place in range(1, len(key) - 1):
        yield key[:place] + key[place + 1 :]


def _swap_two(key: str) -> Iterator[str]:
    for place in range(1, len(key) - 1):
        yield key[:place] + key[place + 1] + key[place] + key[place + 2 :]


def _change_vowel(key: str) -> Iterator[str]:
    for place in range(1, len(key)):
        if key[place] in _VOWELS:
            for vowel in _VOWELS.replace(key[place], ""):
                yield key[:place] + vowel + key[place + 1 :]
