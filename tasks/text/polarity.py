"""Praise and blame in a run of words, from a lexicon; no model, no labels.

The words of VADER (Hutto and Gilbert 2014, https://doi.org/10.1609/icwsm.v8i1.14550), phrases that
people use in reviews, negation within three words times -0.74 and boosters as VADER has them, and
beyond it: "too" with an adjective, wishes, conditions, expectations, negated comparatives
("you won't find a better one") and marks ("4/5").
"""

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Final, Generic, TypeVar

from tasks.text.letters import compose_letters
from tasks.text.segments import word_set
from tasks.text.symbols import count_stars, is_symbol, load_symbols

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
    "wish wished wishes wishing hoped hoping expect expected expecting supposed hope"
)
_FEARS: Final = word_set("expected expecting feared worried afraid")
_DREAD: Final = word_set("feared worried afraid fear")
_BELIEFS: Final = word_set(
    "thought figured assumed imagined believed guessed feared worried afraid"
)
"""Expectations only of what would be: "I thought it was good" is an opinion."""
_EXPECTING: Final = _FEARS | _BELIEFS
_FUTURES: Final = word_set("would might i'd it'd they'd going")
_NEGATED_BELIEFS: Final = word_set(
    "expect expected expecting think thought imagine imagined believe"
)
"""Said not to have been there ("I did not expect it to be so good"), they assert what follows."""
_RAISING: Final = word_set("think thought believe")
"""Their negation is meant of what follows ("I did not think it was good"), unless it would be."""
_EXPECTATION_REACH: Final = 5
_BELIEF_REACH: Final = 7
_SPEAKERS: Final = word_set("i we i'd we'd i've we've")
_CONDITIONS: Final = word_set("should could if unless might")
_REVERSERS: Final = frozenset({("far", "from"), ("anything", "but")})
_ABSORBERS: Final = word_set("only just hesitate but short less lack shortage doubt question")
"""After a negator they leave what follows as it is ("not only good", "nothing but good")."""
_NOTHING: Final = word_set("nothing never none nobody nowhere rarely seldom")
_UNMATCHED: Final = re.compile(
    r"(?:couldn't|can't|cannot|(?:could|can) (?:not|hardly|scarcely|barely))(?: \S+){0,3}$"
    r"|(?:won't|will not|wouldn't|would not|don't|not|never|hard|difficult|impossible|pressed)(?: to)?"
    r" (?:find|ask for|imagine|think of|wish for|hope for|dream of|want|meet|buy|see)(?: \S+){0,3}$"
    r"|\bit (?:doesn't|does not|never|hardly|can't|cannot)(?: really)? get(?:s)?(?: any| much)?$"
    r"|\b(?:no one|no other)(?: \S+){0,3}$"
)
"""What leads to a comparative that nothing reaches ("you won't find a better ...")."""
_NONE: Final = re.compile(r"\bnot (?:a single|one)(?: (?!the |my |our )\S+){1,4}$")
_NONE_REACH: Final = 7
_FACTIVES: Final = word_set(
    "believe imagine realize realise realized realised tell express describe overstate stress"
)
_MEETINGS: Final = word_set("had have been seen tasted eaten met heard felt experienced received")
_DEGREES: Final = word_set("such so this")
_UNMATCHED_REACH: Final = 7
_MARK: Final = re.compile(r"(\d{1,3}(?:\.\d)?)/(5|10|100)")
_MARK_SCALES: Final = {"5": 5.0, "five": 5.0, "10": 10.0, "ten": 10.0, "100": 100.0}
_NUMBERS: Final = {
    word: float(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
}
_NO_MARK_BEFORE: Final = word_set("on by until since from before after")
_NO_MARK_AFTER: Final = word_set("times of people days visits dishes meals nights of us them")
_STARS_OF: Final = 5
_STAR_WORDS: Final = word_set("star stars")
_LOWEST_MARKS: Final = frozenset(
    {("one", "star"), ("1", "star"), ("zero", "stars"), ("no", "stars")}
)
"""What is denied even these ("does not deserve one star") is no better for it."""
_MARK_MIDDLE: Final = 0.6
"""3 of 5: the middle of a scale from 1 to 5."""
_MARK_WEIGHT: Final = 7.5
"""5 of 5 weigh 3, as the strongest words do."""
_LEAST_MARK: Final = 0.7
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
    """Valences of words and phrases, words that negate or compare, and example clauses for an encoder.

    `words` are all that occur in the phrases.
    """

    phrases: PhraseIndex[float]
    words: frozenset[str]
    neutral: PhraseIndex[bool]
    negators: frozenset[str]
    comparatives: frozenset[str]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    plain: tuple[str, ...]


def split_words(phrase: str) -> tuple[str, ...]:
    """Words of a phrase as a parsed text has them: lower case, letters composed, cut at hyphens."""
    return tuple(compose_letters(phrase).lower().replace("-", " ").split())


@cache
def load_lexicon() -> Lexicon:
    """VADER's words under those of `polarity.toml`."""
    table = tomllib.loads(
        resources.files("tasks.text").joinpath("polarity.toml").read_text(encoding="utf-8")
    )
    valences: dict[tuple[str, ...], float] = {
        (word,): valence for word, valence in _load_vader().items() if word.isalpha()
    }
    comparatives = table["comparatives"]
    known = comparatives.pop("known")
    sections = [*comparatives.items(), *table["words"].items(), *table["phrases"].items()]
    for valence, phrases in sections:
        for phrase in phrases.split(","):
            if phrase.strip():
                valences[split_words(phrase)] = float(valence)
    valences |= {(symbol,): valence for symbol, valence in load_symbols().items()}
    negators = frozenset(_split_list(table["negators"]["words"]))
    good, bad, plain = (tuple(table["anchors"][side]) for side in ("good", "bad", "plain"))
    neutral = {split_words(phrase): True for phrase in table["neutral"]["phrases"].split(",")}
    words = frozenset(word for phrase in valences for word in phrase)
    return Lexicon(
        PhraseIndex(valences), words, PhraseIndex(neutral), negators,
        frozenset(_split_list(", ".join([known, *comparatives.values()]))), good, bad, plain,
    )  # fmt: skip


def _split_list(words: str) -> list[str]:
    return [word.strip() for word in words.split(",")]


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
        settled = _find_settled(lexicon, forms, first, index, last)
        if settled is not None:
            length, valence = settled
            if valence:
                opinions.append(Opinion(index, index + length, valence))
            index += length
            continue
        length, valence = _find_valence(lexicon, own, forms, index, last)
        if valence and _is_unmatched(forms, first, index):
            # only near ones can hold the negator that was turned round
            start = len(opinions)
            while start and opinions[start - 1].last > index - _UNMATCHED_REACH:
                start -= 1
            near = [o for o in opinions[start:] if not has_negator(forms[o.first : o.last])]
            opinions[start:] = near
            opinions.append(Opinion(index, index + length, valence))
        elif valence and not _is_dread(forms, index, last):
            valence = _modify(lexicon, forms, first, index, length, valence)
            opinions.append(Opinion(index, index + length, valence))
        elif forms[index] == "too" and _is_excess(forms, index, last):
            sign = -0.3 if _is_negated(lexicon, forms, first, index) else 1.0
            opinions.append(Opinion(index, index + 2, -1.5 * sign))
            length = 2
        index += length
    return opinions


def _find_settled(
    lexicon: Lexicon, forms: Sequence[str], first: int, index: int, last: int
) -> tuple[int, float] | None:
    """Length and valence of a neutral phrase or a mark at `index`."""
    neutral = lexicon.neutral.find(forms, index, last)
    if neutral is not None:
        return neutral[0], 0.0
    return _read_mark(forms, first, index, last)


def _read_mark(forms: Sequence[str], first: int, index: int, last: int) -> tuple[int, float] | None:
    """Length and valence of a mark that is given ("4/5", "two out of ten", "2.5 stars"); dates are none."""
    form = forms[index]
    is_split = index + 3 < last and forms[index + 1] in ("out", "of")
    is_starred = "." in form and index + 1 < last and forms[index + 1] in _STAR_WORDS
    if not (is_split or is_starred) and form.isascii() and "/" not in form:
        return None
    if index > first and forms[index - 1] in _NO_MARK_BEFORE:
        return None
    mark = find_mark(forms[index])
    if mark is not None:
        length, (given, scale) = 1, mark
    elif is_starred:
        length, given, scale = 2, _read_number(form), float(_STARS_OF)
    elif is_split and (forms[index + 1], forms[index + 2]) == ("out", "of"):
        length, given = 4, _read_number(form)
        scale = _MARK_SCALES.get(forms[index + 3], 0.0)
    elif is_split and (forms[index + 1], forms[index + 3]) == ("of", "stars"):
        length, given = 4, _read_number(form)
        scale = _MARK_SCALES.get(forms[index + 2], 0.0)
    else:
        return None
    is_count = index + length < last and forms[index + length] in _NO_MARK_AFTER
    if is_count or not 0 <= given <= scale:
        return None
    valence = _MARK_WEIGHT * (given / scale - _MARK_MIDDLE) if scale else 0.0
    return length, valence if abs(valence) >= _LEAST_MARK else 0.0


def find_mark(form: str) -> tuple[float, float] | None:
    """A mark in one word as `segments` keeps it together ("4/5", stars), and what it is out of."""
    full, shown = count_stars(form)
    if shown:
        return float(full), float(max(shown, _STARS_OF))
    match = _MARK.fullmatch(form)
    return (float(match.group(1)), float(match.group(2))) if match else None


def _read_number(form: str) -> float:
    """A number in figures, or in words up to ten; -1 for anything else."""
    is_figures = form.isascii() and form.replace(".", "", 1).isdigit()
    return float(form) if is_figures else _NUMBERS.get(form, -1.0)


def is_noncommittal(forms: Sequence[str]) -> bool:
    """Whether words say outright that they neither praise nor blame ("about average")."""
    lexicon, last = load_lexicon(), len(forms)
    settled = (_find_settled(lexicon, forms, 0, index, last) for index in range(last))
    return any(found is not None and not found[1] for found in settled)


def has_mark(forms: Sequence[str]) -> bool:
    """Whether words hold a mark ("4/5", "two out of ten")."""
    marks = (_read_mark(forms, 0, index, len(forms)) for index in range(len(forms)))
    return any(mark is not None for mark in marks)


def is_expectation(forms: Sequence[str]) -> bool:
    """Whether words tell of what was expected rather than found."""
    if _EXPECTING.isdisjoint(forms):
        return False
    return any(_is_expected(forms, 0, index + 1) for index in range(len(forms)))


def has_negator(forms: Sequence[str]) -> bool:
    """Whether any word turns round what follows."""
    negators = load_lexicon().negators
    return any(form in negators or form.endswith("n't") for form in forms)


def turns_round(forms: Sequence[str]) -> bool:
    """Whether words hold a negator or tell of what was expected: what an encoder hardly sees."""
    is_reversed = any(pair in _REVERSERS for pair in pairwise(forms))
    return is_reversed or has_negator(forms) or is_expectation(forms)


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
    """Valence at `index` after boosters, negation, wishes and excess before it.

    A symbol sums up what stands before it: "not good" with a thumb down is blame twice.
    """
    if is_symbol(forms[index]):
        return valence
    if index > first:
        valence *= _BOOSTERS.get(forms[index - 1], 1.0)
    if index > first and forms[index - 1] == "too" and valence > 0 and length == 1:
        valence = -abs(valence)
    if any(rule(forms, first, index) for rule in (_is_unexpected, _is_unheard, _is_exclaimed)):
        return valence
    before = forms[max(first, index - _EXPECTATION_REACH) : index]
    if tuple(forms[index : index + length]) not in _LOWEST_MARKS and (
        _is_lessened(forms, first, index)
        or _is_negated(lexicon, forms, first, index)
        or _is_of_none(forms, first, index)
    ):
        # What already holds its negation ("no complaints") is only dampened by another.
        return valence if valence < 0 and "wish" in before else valence * NEGATION
    if valence > 0 and any(form in _WISHES for form in _after_as(before)):
        return -0.6 * valence
    if _is_expected(forms, first, index):
        return -0.6 * valence
    if valence > 0 and any(form in _CONDITIONS for form in before):
        return 0.3 * valence
    return valence


def _is_lessened(forms: Sequence[str], first: int, index: int) -> bool:
    """Whether it is said to be less so ("less satisfying", "less than professional")."""
    before = forms[max(first, index - 3) : index]
    if before[:1] and before[0] in _NOTHING:
        return False  # "nothing less than perfect"
    return before[-1:] == ["less"] or before[-2:] == ["less", "than"]


def _is_of_none(forms: Sequence[str], first: int, index: int) -> bool:
    """Whether it is told of nobody or nothing at all ("not a single member of staff smiled")."""
    before = " ".join(forms[max(first, index - _NONE_REACH) : index])
    return _NONE.search(before) is not None


def _is_expected(forms: Sequence[str], first: int, index: int) -> bool:
    """Whether what stands at `index` was expected rather than found ("I thought it would be bad")."""
    near = forms[max(first, index - _BELIEF_REACH) : index]
    if _EXPECTING.isdisjoint(near):
        return False
    before = _after_as(near)
    if any(form in _FEARS and "to" in before[place:] for place, form in enumerate(before)):
        return True
    return any(
        form in _BELIEFS and not _FUTURES.isdisjoint(before[place:])
        for place, form in enumerate(before)
    )


def _is_dread(forms: Sequence[str], index: int, last: int) -> bool:
    """Whether the word at `index` tells of dread of what would be, which is no blame itself."""
    after = forms[index : min(last, index + 1 + _EXPECTATION_REACH)]
    return forms[index] in _DREAD and not _FUTURES.isdisjoint(after)


def _after_as(before: Sequence[str]) -> Sequence[str]:
    """Words after "as expected" or "than I expected", which are no mere expectation."""
    for place, form in enumerate(before):
        if form in ("as", "than") and not _WISHES.isdisjoint(before[place + 1 : place + 3]):
            return before[place + 3 :]
    return before


def _is_unexpected(forms: Sequence[str], first: int, index: int) -> bool:
    """Whether the writer did not expect what stands at `index`, but found it ("never thought ...")."""
    start = max(first + 2, index - 7)
    if _NEGATED_BELIEFS.isdisjoint(forms[start:index]):
        return False
    for place in range(start, index):
        before = forms[place - 2 : place]
        if forms[place] not in _NEGATED_BELIEFS or not has_negator(before):
            continue
        is_past = "don't" not in before and "do" not in before
        is_own = any(form in _SPEAKERS for form in forms[max(first, place - 3) : place])
        is_plain = forms[place] not in _RAISING or "would" in forms[place:index]
        return is_past and is_own and is_plain
    return False


def _is_exclaimed(forms: Sequence[str], first: int, index: int) -> bool:
    """Whether an exclamation holds what stands at `index` ("you won't believe how good")."""
    if index == first or forms[index - 1] != "how":
        return False
    return not _FACTIVES.isdisjoint(forms[max(first, index - 4) : index - 1])


def _is_unheard(forms: Sequence[str], first: int, index: int) -> bool:
    """Whether nothing like what stands at `index` was met before ("never had such good soup")."""
    before = forms[max(first, index - _EXPECTATION_REACH) : index]
    if "never" not in before:
        return False
    after = before[before.index("never") + 1 :]
    return not _MEETINGS.isdisjoint(after) and not _DEGREES.isdisjoint(after)


def _is_unmatched(forms: Sequence[str], first: int, index: int) -> bool:
    """Whether nothing is said to be more so ("never sounded better", "nothing beats it")."""
    if forms[index] not in load_lexicon().comparatives and forms[index - (index > first)] != "more":
        return False
    before = forms[max(first, index - 4) : index]
    if any(form in _NOTHING for form in before):
        return True
    line = " ".join(forms[max(first, index - _UNMATCHED_REACH) : index])
    return _UNMATCHED.search(line) is not None


def _is_negated(lexicon: Lexicon, forms: Sequence[str], first: int, index: int) -> bool:
    """Whether a negator stands within reach before `index` (function words do not count)."""
    reach, position = _NEGATION_REACH, index - 1
    while position >= first and reach > 0:
        form = forms[position]
        if form == "and":
            return False
        if position > first and (forms[position - 1], form) in _REVERSERS:
            return True
        if has_negator((form,)):
            after = forms[position + 1 : position + 3]
            is_sure = after[0] == "a" and after[-1] in ("doubt", "question")
            return after[0] not in _ABSORBERS and not is_sure
        reach -= form not in _FUNCTION_WORDS
        position -= 1
    return False


def _is_excess(forms: Sequence[str], index: int, last: int) -> bool:
    """Whether "too" at `index` blames what follows ("too salty"), and does not mean "as well"."""
    return index + 1 < last and forms[index + 1] not in _NOT_AFTER_TOO
