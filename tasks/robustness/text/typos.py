"""Slips of the finger and of spelling: other spellings of one word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

from tasks.platform.errors import InputError
from tasks.robustness.text.words import load_table, match_case


@cache
def load_slips(file: Path | None = None) -> Mapping[str, tuple[str, ...]]:
    """Slips by word, from a file of lines "word slip slip ..." or the packaged list.

    Raises InputError when the file cannot be read or holds no such line.
    """
    if file is None:
        packaged = load_table("misspellings")["words"]
        return {word: tuple(slips.split()) for word, slips in packaged.items()}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read misspellings from {file}: {error}") from error
    rows = [line.split() for line in lines]
    found = {row[0].lower(): tuple(row[1:]) for row in rows if len(row) > 1}
    if not found:
        raise InputError(f'{file} holds no misspellings; write lines "word slip slip"')
    return found


class WordChange(Protocol):
    """Gives other forms of a word."""

    @property
    def name(self) -> str:
        """What it is called in results."""

    def variants(self, word: str) -> Sequence[str]:
        """Distinct other forms, always in the same order; empty when there is none."""


@dataclass(frozen=True)
class SwapNeighbours:
    """Two neighbouring letters change places."""

    name: str = "swaps"

    def variants(self, word: str) -> Sequence[str]:
        """One form for every pair of unlike neighbours."""
        places = (at for at in range(len(word) - 1) if word[at] != word[at + 1])
        made = (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in places)
        return [*dict.fromkeys(made)]


@dataclass(frozen=True)
class Keyboard:
    """The key beside the right one is hit."""

    name: str = "keyboard"
    near: Mapping[str, str] = field(default_factory=lambda: load_table("keyboard")["near"])

    def variants(self, word: str) -> Sequence[str]:
        """Every letter but the first exchanged for each of its neighbours."""
        made = []
        for at, letter in enumerate(word[1:], start=1):
            for key in self.near.get(letter.lower(), ""):
                made.append(word[:at] + match_case(key, letter) + word[at + 1 :])
        return [*dict.fromkeys(made)]


@dataclass(frozen=True)
class Misspell:
    """How people misspell: known slips of a word, else letters that are often confused."""

    slips: Mapping[str, tuple[str, ...]] = field(default_factory=load_slips)
    letters: Mapping[str, str] = field(
        default_factory=lambda: load_table("misspellings")["letters"]
    )
    name: str = "misspellings"

    def variants(self, word: str) -> Sequence[str]:
        """Known slips first; the word itself is never among them."""
        form = word.lower()
        made = [*self.slips.get(form, ())]
        if not made:
            for left, right in self.letters.items():
                at = form.find(left)
                if at >= 0:
                    made.append(form[:at] + right + form[at + len(left) :])
        cased = (match_case(slip, word) for slip in made)
        return [slip for slip in dict.fromkeys(cased) if slip != word]


@dataclass(frozen=True)
class Substitute:
    """Words that lie near in a space of word vectors.

    `neighbours[word]` are lower-case words, nearest first; see `substitution.find_neighbours`.
    """

    neighbours: Mapping[str, Sequence[str]]
    name: str = "substitution"

    def variants(self, word: str) -> Sequence[str]:
        """Neighbours in the capitals of the word."""
        near = (match_case(other, word) for other in self.neighbours.get(word.lower(), ()))
        return [*dict.fromkeys(near)]
