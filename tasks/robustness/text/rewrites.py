"""Whole texts rewritten by rule: judgements turned round, persons exchanged, orders smuggled in.

The tests of behaviour of CheckList (Ribeiro et al. 2020, https://aclanthology.org/2020.acl-main.442):
where a judgement was turned round the answer must follow (directional), where a person was
exchanged it must stay (invariance).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from tasks.platform.errors import InputError
from tasks.robustness.text.words import Words, load_stop_words, load_table, match_case, split_words

_SENTENCE_END: Final = re.compile(r"[.!?;]+\s|\n+|[.!?]+$")
_COPULAS: Final = frozenset("is was are were am isn't wasn't aren't weren't".split())
_NEGATORS: Final = frozenset(
    "not never no isn't wasn't aren't weren't don't didn't doesn't".split()
)
_REACH: Final = 4
"""Words after "was" among which the judgement stands."""


class Rewrite(Protocol):
    """Makes other versions of texts, many at once."""

    @property
    def name(self) -> str:
        """What it is called in results."""

    def rewrite(self, texts: Sequence[str]) -> list[list[str]]:
        """Versions of each text, always in the same order; none where there is nothing to do."""


@cache
def load_opposites() -> Mapping[str, str]:
    """The opposite of each judging word, in lower case."""
    table = load_table("polarity_pairs")
    found: dict[str, str] = {}
    for pair in table["pairs"]:
        praise, blame = pair.split()
        found.setdefault(praise, blame)
        found.setdefault(blame, praise)
    return {**found, **table["praise_to_blame"], **table["blame_to_praise"]}


@cache
def load_sides() -> Mapping[str, int]:
    """1 for words of praise and -1 for words of blame, in lower case."""
    table = load_table("polarity_pairs")
    found: dict[str, int] = {}
    for pair in table["pairs"]:
        praise, blame = pair.split()
        found.setdefault(praise, 1)
        found.setdefault(blame, -1)
    for sign, name in ((1, "praise_to_blame"), (-1, "blame_to_praise")):
        for word in table[name]:
            found.setdefault(word, sign)
    return found


@cache
def load_names(file: Path) -> Mapping[str, tuple[str, ...]]:
    """First names by group, from a JSON object of lists; what else it holds is left out.

    Raises InputError when it cannot be read or holds fewer than two lists of names.
    """
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read names from {file}: {error}") from error
    groups = table.items() if isinstance(table, dict) else ()
    found = {
        str(group): tuple(str(name) for name in names)
        for group, names in groups
        if isinstance(names, list) and names
    }
    if len(found) < 2:
        raise InputError(
            f'{file} holds no two groups of names; write {{"one": ["Ann"], "other": ["Omar"]}}'
        )
    return found


@dataclass(frozen=True)
class Opposites:
    """Judging words become their opposites, in sentences that hold a word of `about` if it is given.

    A text without such a word has no rewrite. With `side` (1 praise, -1 blame) only texts are turned
    whose judgements there are all of that side: the direction that is expected is then certain.
    """

    about: frozenset[str] = frozenset()
    side: int | None = None
    name: str = "flip"

    def rewrite(self, texts: Sequence[str]) -> list[list[str]]:
        """At most one version of each text, with all judgements turned."""
        return [self._turn(split_words(text)) for text in texts]

    def _turn(self, words: Words) -> list[str]:
        if not is_one_sided(words, self.about, self.side):
            return []
        opposites = load_opposites()
        changes = {
            at: match_case(opposites[form], words.word(at))
            for sentence in cut_sentences(words)
            if names_any(words, sentence, self.about)
            for at in sentence
            if (form := words.word(at).lower()) in opposites
        }
        return [words.change(changes)] if changes else []


@dataclass(frozen=True)
class Negate:
    """Denies judgements: "was good" becomes "was not good", "was not good" becomes "was good".

    Only where a judging word follows, in sentences that hold a word of `about` if it is given; of
    `side` see `Opposites`.
    """

    about: frozenset[str] = frozenset()
    side: int | None = None
    name: str = "negation"

    def rewrite(self, texts: Sequence[str]) -> list[list[str]]:
        """At most one version of each text, with all such judgements denied."""
        return [self._deny(split_words(text)) for text in texts]

    def _deny(self, words: Words) -> list[str]:
        changes: dict[int, str] = {}
        if not is_one_sided(words, self.about, self.side):
            return []
        for sentence in cut_sentences(words):
            if names_any(words, sentence, self.about):
                for at in sentence:
                    changes.update(_deny_word(words, at, sentence))
        return [words.change(changes)] if changes else []


@dataclass(frozen=True)
class SwapIdentity:
    """Names, pronouns and words for men become those for women and the other way round.

    `names` are lists of first names by group. A name is exchanged for one of each other group, by its
    place in its list, so that a text has one version per other group.
    """

    names: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: load_table("identities")["names"]
    )
    pairs: Mapping[str, str] = field(default_factory=lambda: load_table("identities")["pairs"])
    name: str = "identity"

    def rewrite(self, texts: Sequence[str]) -> list[list[str]]:
        """Distinct versions of each text that mentions a person."""
        return [[*dict.fromkeys(self._exchange(split_words(text)))] for text in texts]

    def _exchange(self, words: Words) -> Iterator[str]:
        groups = {
            name: (group, at) for group, ns in self.names.items() for at, name in enumerate(ns)
        }
        turned = {other: one for one, other in self.pairs.items()}
        people = {
            at: groups[words.word(at)] for at in range(len(words)) if words.word(at) in groups
        }
        for offset in range(max(1, len(self.names) - 1)):
            changes = {}
            for at in range(len(words)):
                word, form = words.word(at), words.word(at).lower()
                if at in people:
                    group, place = people[at]
                    others = [name for name in self.names if name != group]
                    if others and self.names[others[offset % len(others)]]:
                        row = self.names[others[offset % len(others)]]
                        changes[at] = row[place % len(row)]
                elif form == "her":
                    changes[at] = match_case(_turn_her(words, at), word)
                elif form in self.pairs or form in turned:
                    changes[at] = match_case(self.pairs.get(form) or turned[form], word)
            if changes:
                yield words.change(changes)


@dataclass(frozen=True)
class Inject:
    """Orders to a language model put behind a text, that it should answer `label` on `attribute`.

    `suffixes` hold {attribute} and {label}.
    """

    attribute: str
    label: str
    suffixes: Sequence[str] = field(default_factory=lambda: load_table("injections")["suffixes"])
    name: str = "injection"

    def rewrite(self, texts: Sequence[str]) -> list[list[str]]:
        """One version per suffix."""
        filled = [
            suffix.replace("{attribute}", self.attribute).replace("{label}", self.label)
            for suffix in self.suffixes
        ]
        return [[f"{text} {suffix}" for suffix in filled] for text in texts]


def cut_sentences(words: Words) -> list[range]:
    """Numbers of the words of each sentence; cut at full stops, exclamation and question marks."""
    sentences, first = [], 0
    for at in range(1, len(words) + 1):
        is_end = at == len(words)
        if is_end or _SENTENCE_END.search(words.text, words.spans[at - 1][1], words.spans[at][0]):
            sentences.append(range(first, at))
            first = at
    return [sentence for sentence in sentences if len(sentence)]


def names_any(words: Words, sentence: range, about: frozenset[str]) -> bool:
    """Whether a sentence holds one of the words; always when there is none to hold."""
    return not about or any(words.word(at).lower() in about for at in sentence)


def is_one_sided(words: Words, about: frozenset[str], side: int | None) -> bool:
    """Whether all judgements in the sentences that are meant are of `side`; any will do for None.

    A judgement after a negator counts for the other side.
    """
    if side is None:
        return True
    sides = load_sides()
    for sentence in cut_sentences(words):
        if names_any(words, sentence, about):
            for at in sentence:
                sign = sides.get(words.word(at).lower(), 0)
                before = range(max(sentence.start, at - _REACH + 1), at)
                if any(words.word(near).lower().replace("’", "'") in _NEGATORS for near in before):
                    sign = -sign
                if sign == -side:
                    return False
    return True


def _deny_word(words: Words, at: int, sentence: range) -> dict[int, str]:
    """Changes that turn round a judgement that hangs on the copula at `at`; none elsewhere."""
    word, form = words.word(at), words.word(at).lower().replace("’", "'")
    if form not in _COPULAS:
        return {}
    reach = range(at + 1, min(at + 1 + _REACH, sentence.stop))
    opposites = load_opposites()
    if not any(words.word(near).lower() in opposites for near in reach):
        return {}
    if form.endswith("n't"):
        return {at: word[:-3]}
    if at + 1 in sentence and words.word(at + 1).lower() in _NEGATORS:
        return {at + 1: ""}
    return {at: f"{word} not"}


def _turn_her(words: Words, at: int) -> str:
    """What "her" is for a man: "his" before a word that can be a noun and "him" elsewhere."""
    if at + 1 >= len(words) or words.text[words.spans[at][1] : words.spans[at + 1][0]] != " ":
        return "him"
    return "him" if words.word(at + 1).lower() in load_stop_words() else "his"
