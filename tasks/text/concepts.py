"""What an attribute means in words: seeds, a thesaurus of what reviews speak of, inflections."""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib import resources
from itertools import product
from typing import Final

from tasks.platform.errors import ConfigError
from tasks.text.extract import Attribute, AttributeLike
from tasks.text.polarity import PhraseIndex, split_words

OWN_VALENCE: Final = 2.0
"""Valence of a word that is praise or blame when said of this concept, on VADER's scale."""
_DATA: Final = ("thesaurus.toml", "polarity.toml")
_IRREGULAR: Final = (
    "break breaks broke broken breaking",
    "fall falls fell fallen falling",
    "wear wears wore worn wearing",
    "tear tears tore torn tearing",
    "buy buys bought buying",
    "pay pays paid paying",
    "eat eats ate eaten eating",
    "come comes came coming",
    "hold holds held holding",
    "hear hears heard hearing",
    "sleep sleeps slept sleeping",
    "feel feels felt feeling",
    "build builds built building",
    "make makes made making",
    "quit quits quitting",
    "fit fits fitted fitting",
    "get gets got getting",
    "send sends sent sending",
    "give gives gave given giving",
    "stand stands stood standing",
    "drive drives drove driven driving",
    "wait waits waited waiting",
    "size sizes sizing",
    "ship ships shipped shipping",
)
_FORMS: Final = {form: tuple(row.split()) for row in _IRREGULAR for form in row.split()}
_MIN_VERB_LETTERS: Final = 3
_VOWEL: Final = re.compile("[aeiouy]")
_SHORT_SYLLABLE: Final = re.compile("[^aeiouy]+[aeiou][^aeiouwxy]")


@dataclass(frozen=True)
class Concept:
    """One thing that reviews speak of; `good`, `bad` and `plain` are short clauses about it."""

    name: str
    aliases: tuple[str, ...] = ()
    part_of: str = ""
    is_background: bool = False
    terms: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    good_words: tuple[str, ...] = ()
    bad_words: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A concept made ready: requested ones come first, the others only compete.

    `heads` are words that name the whole of it ("food", "meal") rather than a part ("soup").
    `examples` are clauses for the encoder; `own` holds valences that hold for this concept alone;
    `is_known` to the thesaurus, or else found by its words only.
    """

    name: str
    is_requested: bool
    terms: frozenset[tuple[str, ...]]
    heads: frozenset[str]
    hints: frozenset[tuple[str, ...]]
    examples: tuple[str, ...]
    own: PhraseIndex[float] = field(compare=False)
    is_known: bool = True


@cache
def load_concepts() -> dict[str, Concept]:
    """The thesaurus, by concept name."""
    table = tomllib.loads(_read_data("thesaurus.toml"))["concepts"]
    return {
        name: Concept(
            name,
            part_of=row.get("part_of", ""),
            is_background=row.get("is_background", False),
            **{key: tuple(row.get(key, ())) for key in ("aliases", "good", "bad", "plain")},
            **{
                key: tuple(term.strip() for term in row.get(key, "").split(",") if term.strip())
                for key in ("terms", "hints", "good_words", "bad_words")
            },
        )
        for name, row in table.items()
    }


@cache
def hash_data() -> str:
    """16 hex digits over the word lists: a change of them changes what is extracted."""
    return hashlib.sha256("\x00".join(_read_data(name) for name in _DATA).encode()).hexdigest()[:16]


def plan_targets(attributes: Sequence[AttributeLike]) -> tuple[Target, ...]:
    """Targets of the requested attributes, in their order, then of everything that competes."""
    return _plan_targets(tuple(Attribute(a.name, tuple(a.seeds)) for a in attributes))


@lru_cache(maxsize=64)
def _plan_targets(attributes: tuple[Attribute, ...]) -> tuple[Target, ...]:
    """See `plan_targets`; whoever reads in many small parts asks for the same ones each time."""
    concepts = load_concepts()
    found = [find_concept(attribute.name) for attribute in attributes]
    asked = {name for name in found if name is not None}
    made = [_make_requested(attribute, asked) for attribute in attributes]
    own = [target for target, name in zip(made, found, strict=True) if name is None]
    literal = frozenset(term for target in own for term in target.terms)
    requested = [target if target in own else _without(target, literal) for target in made]
    taken = set(asked)
    for name in asked:
        taken.update(_list_parts(name))
        taken.add(concepts[name].part_of)
    words = {seed for target in requested for seed in target.terms}
    rivals = [
        _make_target(concept.name, [concept], (), is_requested=False)
        for concept in concepts.values()
        if concept.name not in taken
    ]
    kept = [
        rival
        for rival in rivals
        if asked or not any(len(term) == 1 and term in words for term in rival.terms)
    ]
    return (*requested, *(_without(rival, literal) for rival in kept))


def _without(target: Target, terms: frozenset[tuple[str, ...]]) -> Target:
    """A target less the words that are an attribute of their own: a room without its bed."""
    return replace(target, terms=target.terms - terms) if terms & target.terms else target


def check_names(attributes: Sequence[AttributeLike]) -> None:
    """Raise ConfigError when two attributes are names of one concept: they would be read alike."""
    names: dict[str, str] = {}
    for attribute in attributes:
        concept = find_concept(attribute.name)
        if concept is None:
            continue
        if concept in names:
            raise ConfigError(
                f"{names[concept]} and {attribute.name} are read as one thing ({concept}), so that "
                "their effects cannot be told apart; name one of them"
            )
        names[concept] = attribute.name


def describe_names(attributes: Sequence[AttributeLike]) -> list[str]:
    """How names are read that are not a concept's own: as another, or as nothing but themselves."""
    notes = []
    for attribute in attributes:
        concept = find_concept(attribute.name)
        if concept is None and not attribute.seeds:
            notes.append(
                f"{attribute.name} is not in the thesaurus: only these words themselves are looked "
                "for; name others that mean it as its seeds in whyrec.toml (extract.attributes)"
            )
        elif concept is not None and not _is_form(attribute.name, concept):
            notes.append(f"{attribute.name} is read as {concept}")
    return notes


def _is_form(name: str, concept: str) -> bool:
    wanted = _spell(name)
    return wanted in (concept, f"{concept}s") or wanted.removesuffix("s") == concept


def _spell(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def find_concept(name: str) -> str | None:
    """The concept that `name` (or its plural) stands for."""
    wanted = _spell(name)
    for form in (wanted, wanted.removesuffix("s")):
        for concept in load_concepts().values():
            if form == concept.name or form in concept.aliases:
                return concept.name
    return None


def inflect(term: str) -> set[tuple[str, ...]]:
    """A term's words with the forms that its first and last word may take in a text."""
    words = split_words(term)
    if not words:
        return set()
    choices: list[tuple[str, ...]] = [(word,) for word in words]
    choices[0] = inflect_word(words[0]) if len(words) > 1 else choices[0]
    choices[-1] = inflect_word(words[-1])
    return set(product(*choices))


def inflect_word(word: str) -> tuple[str, ...]:
    """A word with plural, third person, past and -ing form; needless forms match nothing."""
    if word in _FORMS:
        return _FORMS[word]
    if len(word) < _MIN_VERB_LETTERS or not word.isalpha() or not word.isascii():
        return (word,)
    plural = _pluralize(word)
    if word.endswith(("ing", "ed", "ly", "er", "ous", "ful", "able", "ive")):
        return (word, plural)
    stem = word.removesuffix("e")
    if not _VOWEL.search(stem) or word.endswith("ee"):
        return (word, plural)  # "she" has no past in "shed", nor "fee" in "feed"
    if word.endswith("y") and word[-2] not in "aeiou":
        return (word, plural, f"{word[:-1]}ied", f"{word}ing")
    doubled = (f"{word}{word[-1]}ed", f"{word}{word[-1]}ing")
    if _SHORT_SYLLABLE.fullmatch(word):
        return (word, plural, *doubled)  # "dined" and "dining" are none of "din"
    return (word, plural, f"{stem}ed", f"{stem}ing", *doubled)


def _pluralize(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"


def _make_requested(attribute: AttributeLike, asked: Iterable[str]) -> Target:
    """Target of one attribute: its seeds, and its concept with the parts nobody asked for."""
    name = find_concept(attribute.name)
    if name is None:
        seeds = attribute.seeds or (attribute.name.replace("_", " "),)
        return _make_target(attribute.name, [], seeds, is_requested=True)
    concepts = load_concepts()
    parts = [concepts[part] for part in _list_parts(name) if part not in asked]
    return _make_target(
        attribute.name, [concepts[name], *parts], attribute.seeds, is_requested=True
    )


def _list_parts(name: str) -> list[str]:
    return [concept.name for concept in load_concepts().values() if concept.part_of == name]


def _make_target(
    name: str, concepts: Sequence[Concept], seeds: Sequence[str], *, is_requested: bool
) -> Target:
    valences: dict[tuple[str, ...], float] = {}
    for concept in concepts:
        for sign, words in ((1.0, concept.good_words), (-1.0, concept.bad_words)):
            for word in words:
                valences.setdefault(split_words(word), sign * OWN_VALENCE)
    terms = {form for c in concepts for term in c.terms for form in inflect(term)}
    terms |= {form for seed in seeds for form in inflect(seed)}
    own_concepts = [concept for concept in concepts if not concept.part_of] or concepts
    names = {name, *(alias for c in own_concepts for alias in (c.name, *c.aliases))}
    examples = [clause for c in concepts for clause in (*c.good, *c.bad, *c.plain)]
    examples += [example for seed in seeds for example in _make_examples(seed, bool(concepts))]
    return Target(
        name=name,
        is_requested=is_requested,
        terms=frozenset(terms),
        heads=frozenset(form for word in names for form in inflect_word(word)),
        hints=frozenset(form for c in concepts for hint in c.hints for form in inflect(hint))
        - terms,
        examples=tuple(dict.fromkeys(examples)),
        own=PhraseIndex(valences),
        is_known=bool(concepts),
    )


def _make_examples(seed: str, is_known: bool) -> tuple[str, ...]:
    """Clauses about a seed; a name that no thesaurus knows has nothing else to go by."""
    if is_known:
        return (seed,)
    return (
        seed,
        f"the {seed} is great",
        f"the {seed} is terrible",
        f"I like the {seed}",
        f"a problem with the {seed}",
    )


def _read_data(name: str) -> str:
    return resources.files("tasks.text").joinpath(name).read_text(encoding="utf-8")
