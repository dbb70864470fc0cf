"""Written reviews of the sample world: true attribute states in, titles and texts out.

A review is a shuffled list of clauses: one per mentioned attribute, and up to three that mention
none (an opener, fillers). Clauses come from `sample_phrases.toml`; each attribute clause names one
attribute and says openly whether it pleased, so that what a reader should find is known. Openers,
fillers and titles are drawn without a look at the rating or the states: the text tells of the
rating through the attributes alone.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

SIDES = ("neutral", "positive", "negative")
"""Indexed by polarity: 0, 1, -1."""
SEMICOLON = "; "
ENDINGS = (". ", ". ", ". ", "! ", SEMICOLON, ".\n")
CALM_ENDINGS = (". ", ". ", ". ", SEMICOLON, ".\n")
LAST_ENDINGS = (".", ".", ".", "")
CONTRASTS = (", but ", ", but ", "; however ", ". However ")
CONTRAST_SHARE = 0.7
OPENER_SHARE = 0.5
FILLER_BOUNDS = (0.35, 0.80)
"""Below the first no filler, below the second one, else two."""
MIN_TYPO_LETTERS = 6
DRAWS_PER_CLAUSE = 7
"""Phrase, place, joint (2), typo (3)."""
DRAWS_PER_REVIEW = 32
"""Title, fillers, opener, last ending, and the clauses these make."""


@dataclass(frozen=True)
class Phrases:
    """What can be written; `attributes[name]` has sides `positive`, `negative`, `neutral`."""

    attributes: dict[str, dict[str, tuple[str, ...]]]
    openers: tuple[str, ...]
    fillers: tuple[str, ...]
    titles: tuple[str, ...]


@cache
def load_phrases() -> Phrases:
    """Phrases that are shipped beside this module."""
    path = resources.files("tasks.ingest").joinpath("sample_phrases.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    attributes = {
        name: {side: tuple(lines) for side, lines in sides.items()}
        for name, sides in table["attributes"].items()
    }
    plain = table["plain"]
    return Phrases(
        attributes, tuple(plain["openers"]), tuple(plain["fillers"]), tuple(plain["titles"])
    )


@dataclass(frozen=True)
class Clause:
    """One clause; `polarity` is 0 for what neither pleases nor displeases."""

    text: str
    polarity: int


def write_reviews(
    polarity: NDArray[np.int8],
    is_mentioned: NDArray[np.bool_],
    *,
    attributes: tuple[str, ...],
    rng: np.random.Generator,
    typo_rate: float = 0.0,
) -> tuple[list[str], list[str]]:
    """Titles and texts of n reviews.

    `polarity` (-1, 0, 1) and `is_mentioned` have shape (n, number of attributes); a mention of
    polarity 0 is written as a neutral statement. `typo_rate` in [0, 1] is the chance that a clause
    has two neighbouring letters of one long word swapped.
    """
    phrases = load_phrases()
    n_draws = DRAWS_PER_REVIEW + DRAWS_PER_CLAUSE * len(attributes)
    titles, texts = [], []
    for row, draws in enumerate(rng.random((len(polarity), n_draws))):
        chance = iter(draws.tolist())
        mentioned = np.flatnonzero(is_mentioned[row])
        states = [(attributes[column], int(polarity[row, column])) for column in mentioned]
        titles.append(_pick(phrases.titles, chance))
        texts.append(_write_text(states, phrases=phrases, chance=chance, typo_rate=typo_rate))
    return titles, texts


def _write_text(
    states: list[tuple[str, int]], *, phrases: Phrases, chance: Iterator[float], typo_rate: float
) -> str:
    """One review: an opener now and then, the rest in random order, joined by punctuation."""
    clauses = [
        Clause(_pick(phrases.attributes[name][SIDES[polarity]], chance), polarity)
        for name, polarity in states
    ]
    clauses += _pick_fillers(phrases.fillers, chance, is_needed=not clauses)
    order = sorted((next(chance), place) for place in range(len(clauses)))
    clauses = [clauses[place] for _, place in order]
    if next(chance) < OPENER_SHARE:
        clauses.insert(0, Clause(_pick(phrases.openers, chance), 0))
    if typo_rate > 0:
        clauses = [_add_typo(clause, chance, rate=typo_rate) for clause in clauses]
    return _join_clauses(clauses, chance)


def _pick(choices: tuple[str, ...], chance: Iterator[float]) -> str:
    return choices[int(next(chance) * len(choices))]


def _pick_fillers(
    fillers: tuple[str, ...], chance: Iterator[float], *, is_needed: bool
) -> list[Clause]:
    """None, one or two different fillers; at least one where nothing else is said."""
    draw = next(chance)
    n_fillers = sum(draw >= bound for bound in FILLER_BOUNDS)
    first = int(next(chance) * len(fillers))
    second = (first + 1 + int(next(chance) * (len(fillers) - 1))) % len(fillers)
    return [Clause(fillers[at], 0) for at in (first, second)[: max(n_fillers, int(is_needed))]]


def _join_clauses(clauses: list[Clause], chance: Iterator[float]) -> str:
    """Sentences, with a "but" between some neighbours of opposite polarity."""
    parts: list[str] = []
    is_start, is_contrasted = True, False
    for place, clause in enumerate(clauses):
        parts.append(clause.text[0].upper() + clause.text[1:] if is_start else clause.text)
        if place == len(clauses) - 1:
            break
        opposite = clause.polarity * clauses[place + 1].polarity < 0
        is_contrasted = opposite and not is_contrasted and next(chance) < CONTRAST_SHARE
        endings = ENDINGS if clause.polarity else CALM_ENDINGS
        parts.append(_pick(CONTRASTS if is_contrasted else endings, chance))
        is_start = not is_contrasted and parts[-1] != SEMICOLON
    return "".join(parts) + _pick(LAST_ENDINGS, chance)


def _add_typo(clause: Clause, chance: Iterator[float], *, rate: float) -> Clause:
    """Swap two inner letters of one word of at least six letters, if there is one."""
    is_hit, which, where = next(chance) < rate, next(chance), next(chance)
    words = clause.text.split(" ")
    long_words = [place for place, word in enumerate(words) if len(word) >= MIN_TYPO_LETTERS]
    if not is_hit or not long_words:
        return clause
    place = long_words[int(which * len(long_words))]
    word = words[place]
    at = 1 + int(where * (len(word) - 3))
    words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return Clause(" ".join(words), clause.polarity)
