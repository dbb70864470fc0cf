"""Sentences, segments and words of a review, with exact character offsets.

Nothing here changes a text: markup and entities are blanked out in a view of the same length, so
that every offset into the view is an offset into the text.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Final

from tasks.text.letters import (
    PAD,
    WIDTHLESS,
    compose_letters,
    fold_letters,
    keep_joined,
    spell_marks,
)
from tasks.text.lines import SOFT, unwrap_lines
from tasks.text.symbols import is_symbol, read_signs, spell_symbols


def word_set(words: str) -> frozenset[str]:
    """Words of a list written as one string."""
    return frozenset(words.split())


_TAG: Final = re.compile(r"</?[a-zA-Z!][^<>]{0,500}>")
_ORDERS: Final = re.compile(
    r"<(system|assistant|instructions?|prompt)\b[^<>]{0,100}>.{0,2000}?</\1\s*>",
    re.IGNORECASE | re.DOTALL,
)
"""What stands in tags that set orders to a machine off from what a person says."""
_BREAKING_TAG: Final = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|table|h[1-6])\b", re.IGNORECASE)
_ENTITY: Final = re.compile(
    r"&(?:amp;){0,2}(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,5}|(?:apos|quot|nbsp|amp|[lr][sd]quo));"  # escaped twice, too
    r"|&[a-zA-Z]{2,8};"
)
_MOST_ESCAPED: Final = 3
_APOSTROPHES: Final = dict.fromkeys(map(ord, "\u2019\u2018\u201b\u02bc\u2032\u00b4\uff07`"), "'")
_ADDRESS: Final = re.compile(r"https?://\S{1,2000}")
_UNREADABLE: Final = re.compile(
    r"[\x00-\x09\x0c-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff\ud800-\udfff]"
)
_GRADE: Final = r"(?<![\d/.])\d{1,3}(?:\.\d)?/(?:5|10|100)(?![\d/])"
"""A mark that is given, as one word."""
_OF_SCALE: Final = r"(?i:\s+(?:out\s+)?of\s+(?:5|10|100)(?:\.0)?\b|\s+(?:out\s+)?of\s+(?:five|ten)\b|[\s-]*stars?\b)"
_SCORE: Final = (
    rf"(?<![\d/.,])(?:\d{{1,3}}[.,]\d{{1,2}}|\d{{1,2}}(?:[ -]1/2|\u00bd))(?={_OF_SCALE})"
)
"""What is given in parts of a point, as one word: "2.5 out of 5", "4 1/2 stars"."""
_SCALE: Final = r"(?<=of )(?:5|10|100)\.0(?!\d)"
_HALF: Final = re.compile(r"[ -]1/2|\u00bd")
_SENTENCE_END: Final = re.compile(
    r"[.!?\u2026]+[\"'\)\]\u201d]*(?=\s|$)"  # ends before a blank
    r"|(?<=[a-z\)])[.!?]+(?=[A-Z])"  # "good.The"
    r"|[.!?\u2026]{2,}|[!?\u2026]"
    r"|[\u3002\uff01\uff1f\uff1b\u061f\u06d4\u0964]+"  # CJK, Arabic, Urdu, Hindi
    r"|\n+|;|\u2022|\s[-*~]{1,3}\s|(?<=\w)-\s|\u2014|--+|\s\u2013\s"
)
_TRAILING: Final = re.compile(
    r"(?:\.{2,}|\u2026|\s[-*~]{1,3}\s|(?<=\w)-\s|\u2014|--+|\s\u2013\s)\s*\Z"
)
_ABBREVIATIONS: Final = word_set(
    "mr mrs ms dr st vs e.g i.e eg ie approx inc jr sr oz ft lb lbs ave"
)
_PAUSE: Final = re.compile(rf"[,:\u3001\uff0c\u060c{SOFT}]")
_BRACKET: Final = re.compile(r"[()\[\]]")
_CONTRASTS: Final = word_set(
    "but however although though yet whereas except despite nevertheless nonetheless"
)
_EXCEPTING: Final = frozenset({("apart", "from"), ("aside", "from"), ("other", "than")})
_MAY_EXCEPT: Final = word_set("apart aside other besides")
_AFTER_EXCEPTION: Final = word_set("everything everyone all we i it they our my")
_EXCEPTION_WORDS: Final = 7
"""Within so many words after "apart from" and the like, these begin what it is excepted from."""
_EXCEPTED: Final = word_set("anything nothing")
"""Before "but" they make an exception of what follows, no contrast ("anything but good")."""
_CONJUNCTIONS: Final = word_set("and plus while & n whilst also")
_LESS: Final = (("not", "so", "much"), ("not", "as", "much"), ("less", "so"), ("not", "really"))
"""What closes a clause whose predicate is that of the one before ("food great, service not so much")."""
_LINKING: Final = word_set("is are was were")
_DETERMINERS: Final = word_set("the a an my our their his her its this that these those")
_NO_NOUNS: Final = word_set(
    "it this that these those i we you he she they them us and or but is are was were be been do "
    "does did have has had like liked love loved enjoyed so very really not"
)
_AFTER_COMPARISON: Final = word_set("the this these i we it they our my there")
_PREPOSITIONS: Final = word_set("of at in on to from with and all most some like unlike")
_SPOILT: Final = word_set(
    "let marred spoiled spoilt ruined overshadowed offset redeemed saved rescued"
)
"""Before "by" these set what follows against what stands before ("good food spoilt by rude staff")."""
MAX_CLAUSE_WORDS: Final = 40
"""Longer runs without any mark are cut here: nobody writes them, machines do."""


def spell_joints() -> str:
    """The words that part or join, to tell one revision from another."""
    lists = (_CONTRASTS, _CONJUNCTIONS, _LINKING, _DETERMINERS, _NO_NOUNS, _SPOILT)
    more = (_AFTER_COMPARISON, _PREPOSITIONS, _AFTER_EXCEPTION, _EXCEPTED)
    return f"{_LESS};" + ";".join(" ".join(sorted(words)) for words in (*lists, *more))


class Joint(IntEnum):
    """What stands before a segment; TRAIL is an ellipsis or a dash, which may hold one thought."""

    SENTENCE = 0
    CONTRAST = 1
    ASIDE = 2
    CONJUNCTION = 3
    PAUSE = 4
    TRAIL = 5


@dataclass(frozen=True, slots=True)
class Word:
    """A word in lower case, its letters composed (see `letters`), with offsets into the text."""

    form: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of words [`first`, `last`) between two joints; never empty."""

    first: int
    last: int
    joint: Joint
    sentence: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text cut up: `view` has the length of the text, words and segments are in order."""

    view: str
    words: tuple[Word, ...]
    segments: tuple[Segment, ...]


def parse_text(text: str) -> Parsed:
    """Words and segments of `text`; any string is fine, one without words gives none."""
    plain = read_signs(unwrap_lines(fold_letters(text.replace(SOFT, " ")))).replace("\t", SOFT)
    view = keep_joined(text, blank_markup(plain))
    words: list[Word] = []
    segments: list[Segment] = []
    sentence = 0
    for start, end in _split_sentences(view):
        first = len(words)
        words.extend(_find_words(view, start, end))
        if len(words) > first:
            trails = bool(segments) and _trails(view, words, first, start)
            sentence += 0 if trails or not segments else 1
            joint = Joint.TRAIL if trails else Joint.SENTENCE
            segments.extend(_cut_sentence(view, words, first, sentence, joint))
    return Parsed(view, tuple(words), tuple(segments))


def _trails(view: str, words: Sequence[Word], first: int, start: int) -> bool:
    """Whether what begins with word `first` may belong to the sentence that ends before `start`."""
    if all(is_symbol(word.form) for word in words[first:]):
        return True
    return _TRAILING.search(view, words[first - 1].end, start) is not None


def read_clause(view: str, start: int, end: int) -> str:
    """A clause of a view as an encoder shall read it: single blanks, composed letters."""
    return " ".join(compose_letters(view[start:end]).split())


def blank_markup(text: str) -> str:
    """`text` without tags, entities, addresses and control characters, in the same length."""
    view = text.translate(_APOSTROPHES)
    if "&" in view:
        view = _ENTITY.sub(_blank_entity, view)
    if "</" in view:
        view = _ORDERS.sub(lambda match: "\n".ljust(len(match.group())), view)
    if "<" in view:
        view = _TAG.sub(_blank_tag, view)
    if "://" in view:
        view = _ADDRESS.sub(lambda match: " " * len(match.group()), view)
    return _UNREADABLE.sub(" ", view)


def _blank_entity(match: re.Match[str]) -> str:
    """What an entity stands for, padded to its length: inside a word without parting it."""
    character = match.group()
    for _ in range(_MOST_ESCAPED):
        character = html.unescape(character)
    if len(character) != 1 or character in "<>&":
        character = " "
    character = character.translate(_APOSTROPHES)
    around = (
        match.string[max(match.start() - 1, 0) : match.start()],
        match.string[match.end() :][:1],
    )
    is_inside = character.isalpha() or (character == "'" and all(map(str.isalpha, around)))
    return character.ljust(len(match.group()), PAD if is_inside else " ")


def _blank_tag(match: re.Match[str]) -> str:
    is_breaking = _BREAKING_TAG.match(match.group()) is not None
    return ("\n" if is_breaking else " ").ljust(len(match.group()))


def _split_sentences(view: str) -> Iterator[tuple[int, int]]:
    """Character ranges between sentence ends."""
    start = 0
    for match in _SENTENCE_END.finditer(view):
        if match.group() == "." and _is_abbreviation(view, match.start()):
            continue
        yield start, match.start()
        start = match.end()
    yield start, len(view)


def _is_abbreviation(view: str, dot: int) -> bool:
    before = view[max(0, dot - 8) : dot].rsplit(None, 1)
    return bool(before) and before[-1].lower().lstrip("(") in _ABBREVIATIONS


def _find_words(view: str, start: int, end: int) -> Iterator[Word]:
    for match in _compile_word().finditer(view, start, end):
        form = compose_letters(match.group()).lower()
        if match.lastgroup == "score":
            form = _HALF.sub(".5", form).replace(",", ".")
        elif match.lastgroup == "scale":
            form = form.removesuffix(".0")
        yield Word(form, match.start(), match.end())


@cache
def _compile_word() -> re.Pattern[str]:
    letters = rf"[^\W_]+(?:(?:{spell_marks()}|{PAD})[^\W_]*)*"
    given = rf"{_GRADE}|(?P<scale>{_SCALE})|(?P<score>{_SCORE})"
    return re.compile(rf"{given}|{letters}(?:(?:'{PAD}*|{WIDTHLESS}){letters})*|{spell_symbols()}")


def _cut_sentence(
    view: str, words: list[Word], first: int, sentence: int, joint: Joint
) -> Iterator[Segment]:
    """Segments of the words from `first` on: cut at contrasts, conjunctions and pauses."""
    begin = first
    gapped, closing = _find_gapped_part(words, first)
    for index in range(first, len(words)):
        if index == closing:
            continue
        found = _find_joint(view, words, index, first)
        found = Joint.PAUSE if found is None and index == gapped else found
        if found is None and index - begin >= MAX_CLAUSE_WORDS:
            found = Joint.PAUSE
        if found is None:
            continue
        if index > begin:
            yield Segment(begin, index, joint, sentence)
            joint = found
        elif joint is not Joint.SENTENCE:
            joint = min(joint, found)  # "... but" is a contrast
        begin = index + (words[index].form in _CONTRASTS or words[index].form in _CONJUNCTIONS)
    if begin < len(words):
        yield Segment(begin, len(words), joint, sentence)


def _find_gapped_part(words: Sequence[Word], first: int) -> tuple[int, int]:
    """Where the words from `first` on end in a gapped part: its first word and its close; else -1."""
    if words[-1].form not in ("much", "so", "really"):
        return -1, -1
    found = find_gapped([word.form for word in words[first:]])
    return (-1, -1) if found is None else (first + found[0], first + found[1])


def find_gapped(forms: Sequence[str]) -> tuple[int, int] | None:
    """First word and close of a part without a predicate at the end ("the service not so much")."""
    close = next((len(forms) - len(c) for c in _LESS if tuple(forms[-len(c) :]) == c), 0)
    noun = close - 1 - (close > 1 and forms[close - 1] in _LINKING)
    if noun < 0 or forms[noun] in _NO_NOUNS:
        return None
    return noun - (noun > 0 and forms[noun - 1] in _DETERMINERS), close


def _ends_comparison(words: Sequence[Word], index: int, first: int) -> bool:
    """Whether word `index` begins what is said after "unlike other places", though no comma parts them."""
    if index < first + 2:
        return False
    near = [word.form for word in words[max(first, index - _EXCEPTION_WORDS) : index]]
    return "unlike" in near[:-1] and near[-1] not in _PREPOSITIONS


def sets_against(forms: Sequence[str]) -> bool:
    """Whether the first words set what follows against what stands before ("let down by ...")."""
    form = forms[0]
    if form not in _SPOILT:
        return False
    after = list(forms[1:3])
    return after == ["down", "by"] if form == "let" else after[:1] == ["by"]


def find_exception(forms: Sequence[str], index: int) -> bool:
    """Whether words at `index` except what follows from what else is said ("apart from ...")."""
    if forms[index] not in _MAY_EXCEPT:
        return False
    return forms[index] == "besides" or tuple(forms[index : index + 2]) in _EXCEPTING


def _find_joint(view: str, words: list[Word], index: int, first: int) -> Joint | None:
    """What parts word `index` from the one before, if anything does."""
    form = words[index].form
    if form in _MAY_EXCEPT and find_exception([w.form for w in words[index : index + 2]], 0):
        return Joint.CONTRAST
    if form in _AFTER_EXCEPTION:
        near = [w.form for w in words[max(first, index - _EXCEPTION_WORDS) : index]]
        if any(find_exception(near, at) for at in range(len(near))):
            return Joint.PAUSE
    if form in _AFTER_COMPARISON and _ends_comparison(words, index, first):
        return Joint.PAUSE
    if form == "but" and index > first and words[index - 1].form in _EXCEPTED:
        return None
    if form in _CONTRASTS:
        return Joint.CONTRAST
    if form in _SPOILT and index > first:
        return Joint.CONTRAST if sets_against([w.form for w in words[index : index + 3]]) else None
    if form in _CONJUNCTIONS:
        return Joint.CONJUNCTION
    if index > first:
        gap = view[words[index - 1].end : words[index].start]
        if "&" in gap or "+" in gap:
            return Joint.CONJUNCTION
        if _BRACKET.search(gap):
            return Joint.ASIDE
        if _PAUSE.search(gap):
            return Joint.PAUSE
    return None
