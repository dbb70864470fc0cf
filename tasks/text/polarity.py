"""Praise and blame in a run of words, from a lexicon; no model, no labels.

The words of VADER (Hutto and Gilbert 2014, https://doi.org/10.1609/icwsm.v8i1.14550), phrases that
people use in reviews, negation within three words times -0.74 and boosters as VADER has them, and
beyond it: "too" with an adjective, wishes and conditions.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Generic, TypeVar

from tasks.text.segments import word_set

T = TypeVar("T")

NEGATION: Final = -0.74
"""VADER's factor for a negated word."""
_NEGATION_REACH: Final = 3
_SOFTENING: Final = 6.0
"""A single word of valence 2 gives 0.63, two of them 0.85."""
_BOOSTERS: Final = {
    **dict.fromkeys(
        word_set("""very really extremely so absolutely incredibly totally truly super exceptionally
        especially highly incredibly insanely ridiculously unbelievably amazingly completely
        wonderfully always most such"""),
        1.3,
    ),
    **dict.fromkeys(
        word_set("slightly somewhat bit little fairly kinda sometimes occasionally"), 0.7
    ),
}
_WISHES: Final = word_set(
    "wish wished wishes wishing hoped hoping expect expected expecting supposed thought hope"
)
_CONDITIONS: Final = word_set("should could if unless might")
_COMPARATIVES: Final = word_set("better happier finer easier nicer sweeter cleaner beats")
_ABSORBERS: Final = word_set("only just hesitate")
"""After a negator they leave what follows as it is ("not only good")."""
_NOTHING: Final = word_set("nothing never none nobody")
_NOT_AFTER_TOO: Final = word_set("and but or for the i we it they is was as bad shabby")
_FUNCTION_WORDS: Final = word_set(
    "a an the very that so too really all any at be been have had of to was were is are even remotely"
)


@dataclass(frozen=True, slots=True)
class Opinion:
    """`valence` (VADER's scale, -4 to 4, signed by negation) of words [`first`, `last`)."""

    first: int
    last: int
    valence: float


class PhraseIndex(Generic[T]):
    """Finds the longest known phrase that starts at a word."""

    def __init__(self, phrases: Mapping[tuple[str, ...], T]) -> None:
        self._values = dict(phrases)
        self._lengths: dict[str, tuple[int, ...]] = {}
        for phrase in self._values:
            known = self._lengths.get(phrase[0], ())
            self._lengths[phrase[0]] = tuple(sorted({*known, len(phrase)}, reverse=True))

    def find(self, forms: Sequence[str], index: int, end: int) -> tuple[int, T] | None:
        """Length and value of the longest phrase at `index` that ends by `end`."""
        for length in self._lengths.get(forms[index], ()):
            if index + length <= end:
                phrase = tuple(forms[index : index + length])
                if phrase in self._values:
                    return length, self._values[phrase]
        return None


@dataclass(frozen=True)
class Lexicon:
    """Valences of words and phrases, words that negate, and example clauses for an encoder.

    `words` are all that occur in the phrases.
    """

    phrases: PhraseIndex[float]
    words: frozenset[str]
    neutral: PhraseIndex[bool]
    negators: frozenset[str]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    plain: tuple[str, ...]


def split_words(phrase: str) -> tuple[str, ...]:
    """Words of a phrase as a parsed text has them: lower case, cut at hyphens."""
    return tuple(phrase.lower().replace("-", " ").split())


@cache
def load_lexicon() -> Lexicon:
    """VADER's words under those of `polarity.toml`."""
    table = tomllib.loads(
        resources.files("tasks.text").joinpath("polarity.toml").read_text(encoding="utf-8")
    )
    valences: dict[tuple[str, ...], float] = {
        (word,): valence for word, valence in _load_vader().items() if word.isalpha()
    }
    for section in ("words", "phrases"):
        for valence, phrases in table[section].items():
            for phrase in phrases.split(","):
                if phrase.strip():
                    valences[split_words(phrase)] = float(valence)
    negators = frozenset(word.strip() for word in table["negators"]["words"].split(","))
    good, bad, plain = (tuple(table["anchors"][side]) for side in ("good", "bad", "plain"))
    neutral = {split_words(phrase): True for phrase in table["neutral"]["phrases"].split(",")}
    words = frozenset(word for phrase in valences for word in phrase)
    return Lexicon(PhraseIndex(valences), words, PhraseIndex(neutral), negators, good, bad, plain)


def _load_vader() -> dict[str, float]:
    path = resources.files("vaderSentiment").joinpath("vader_lexicon.txt")
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return {row[0]: float(row[1]) for row in rows if len(row) > 1}


def find_opinions(
    forms: Sequence[str], first: int, last: int, *, own: PhraseIndex[float] | None = None
) -> list[Opinion]:
    """Opinions in words [`first`, `last`) of `forms`; `own` valences go before the general ones."""
    lexicon = load_lexicon()
    opinions: list[Opinion] = []
    index = first
    while index < last:
        settled = lexicon.neutral.find(forms, index, last)
        if settled is not None:
            index += settled[0]
            continue
        length, valence = _find_valence(lexicon, own, forms, index, last)
        if valence:
            valence = _modify(lexicon, forms, first, index, length, valence)
            opinions.append(Opinion(index, index + length, valence))
        elif forms[index] == "too" and _is_excess(forms, index, last):
            sign = -0.3 if _is_negated(lexicon, forms, first, index) else 1.0
            opinions.append(Opinion(index, index + 2, -1.5 * sign))
            length = 2
        index += length
    return opinions


def is_noncommittal(forms: Sequence[str]) -> bool:
    """Whether words say outright that they neither praise nor blame ("about average")."""
    neutral = load_lexicon().neutral
    return any(neutral.find(forms, index, len(forms)) for index in range(len(forms)))


def has_negator(forms: Sequence[str]) -> bool:
    """Whether any word turns round what follows."""
    negators = load_lexicon().negators
    return any(form in negators or form.endswith("n't") for form in forms)


def score_opinions(opinions: Sequence[Opinion]) -> float:
    """Opinions together, in (-1, 1); 0 when there is none (VADER's normalisation)."""
    total = sum(opinion.valence for opinion in opinions)
    return total / math.sqrt(total * total + _SOFTENING)


def _find_valence(
    lexicon: Lexicon,
    own: PhraseIndex[float] | None,
    forms: Sequence[str],
    index: int,
    last: int,
) -> tuple[int, float]:
    """Length and valence of the longest phrase at `index`; (1, 0) when there is none."""
    general = lexicon.phrases.find(forms, index, last) or (1, 0.0)
    special = own.find(forms, index, last) if own is not None else None
    return special if special is not None and special[0] >= general[0] else general


def _modify(
    lexicon: Lexicon, forms: Sequence[str], first: int, index: int, length: int, valence: float
) -> float:
    """Valence at `index` after boosters, negation, wishes and excess before it."""
    if index > first:
        valence *= _BOOSTERS.get(forms[index - 1], 1.0)
    if index > first and forms[index - 1] == "too" and valence > 0 and length == 1:
        valence = -abs(valence)
    if valence > 0 and forms[index] in _COMPARATIVES and _is_unmatched(forms, first, index):
        return abs(valence)
    if _is_lessened(forms, first, index) or _is_negated(lexicon, forms, first, index):
        # What already holds its negation ("no complaints") is only dampened by another.
        return valence * NEGATION
    before = forms[max(first, index - 5) : index]
    if valence > 0 and any(form in _WISHES for form in before):
        return -0.6 * valence
    if valence > 0 and any(form in _CONDITIONS for form in before):
        return 0.3 * valence
    return valence


def _is_lessened(forms: Sequence[str], first: int, index: int) -> bool:
    """Whether it is said to be less so ("less satisfying", "less than professional")."""
    before = forms[max(first, index - 2) : index]
    return bool(before) and (before[-1] == "less" or tuple(before) == ("less", "than"))


def _is_unmatched(forms: Sequence[str], first: int, index: int) -> bool:
    """Whether nothing is said to be better ("never sounded better", "nothing beats it")."""
    before = forms[max(first, index - 4) : index]
    return any(form in _NOTHING or form in ("couldn't", "can't", "cannot") for form in before)


def _is_negated(lexicon: Lexicon, forms: Sequence[str], first: int, index: int) -> bool:
    """Whether a negator stands within reach before `index` (function words do not count)."""
    reach, position = _NEGATION_REACH, index - 1
    while position >= first and reach > 0:
        form = forms[position]
        if form == "and":
            return False
        if form == "from" and position > first and forms[position - 1] == "far":
            return True
        if has_negator((form,)):
            return forms[position + 1] not in _ABSORBERS
        reach -= form not in _FUNCTION_WORDS
        position -= 1
    return False


def _is_excess(forms: Sequence[str], index: int, last: int) -> bool:
    """Whether "too" at `index` blames what follows ("too salty"), and does not mean "as well"."""
    return index + 1 < last and forms[index + 1] not in _NOT_AFTER_TOO
