"""From a corpus to a proposed list of attributes: what reviews judge, grouped by meaning.

A word or pair of words is a candidate when it stands where English puts nouns (after a determiner
or a word of praise or blame, before the end of its clause or a function word) and when reviews
judge it there: "the sound is great", "terrible service". Candidates are grouped by average-linkage clustering of their vectors, and
a group is called by its most central frequent phrase. After Hu and Liu 2004
(https://doi.org/10.1145/1014052.1014073), who take frequent nouns near opinion words; nouns are
found by position here, since no tagger is at hand. Languages other than English yield little.
"""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from tasks.text.concepts import inflect, load_concepts
from tasks.text.extract import Embed
from tasks.text.polarity import find_opinions
from tasks.text.segments import Parsed, Segment, parse_text, read_clause, word_set
from tasks.text.store import hash_text

_DETERMINERS: Final = word_set(
    "the this that these those my our your his her their its a an any no some every each whose"
)
_VERBS: Final = word_set(
    """is was are were be been being isn't wasn't aren't weren't seems seemed looks looked feels felt
    sounds sounded tastes tasted smells smelled works worked comes came could would should will has
    had does did can"""
)
_FUNCTION: Final = (
    word_set(
        """and or but so because if when while although though as than then of in on at to for from by
        with without about into onto over under after before up down out off i we you he she it they
        me us him them who which what where why how not very really too quite just even also only
        again there here all both most more less much many few lot lots own same other another one
        two three first last next new old good bad it's i'm don't didn't isn't that's i've we're
        am do have having get got getting go went going make made makes put take took give gave
        say said know think thought want wanted need needed use used using like well never always
        ever still now back around away every everything something anything nothing everyone
        someone anyone nobody myself yourself itself themselves once together apart right else such since until enough long short high low big small large little com says said yes ok okay please thanks etc via per"""
    )
    | _DETERMINERS
    | _VERBS
)
_PLAIN_NOUNS: Final = word_set(
    """time times day days night nights week weeks month months year years hour hours minute minutes
    morning evening afternoon today weekend thing things way ways kind type sort part parts side
    end point reason reasons fact case idea bit person people man woman guy guys friend friends
    family wife husband son daughter kid kids child children mom dad mother father boyfriend
    girlfriend group party couple birthday anniversary visit visits trip experience experiences
    review reviews star stars amazon yelp opentable reviewer reviewers opinion opinions choice
    chance problem problems issue issues complaint complaints life world home house job rest
    number amount half dozen lot lots piece pieces others stuff something reservation
    reservations occasion course result hand hands head eye eyes place item items product
    products purchase thing ones"""
)
"""Nouns that are about the reviewer's day, the review or the item as a whole: nothing to cause a rating."""
_SECOND_NOUNS: Final = word_set("life time times")
"""Of these, the ones that name something where another noun stands before: battery life, waiting time."""
_MIN_NOUN_SHARE: Final = 0.15
"""Occurrences of a candidate that must stand where a noun stands."""
_MIN_REVIEWS: Final = 4
_MIN_SHARE: Final = 0.002
"""Of the reviews that must judge a candidate; at least `_MIN_REVIEWS` do."""
_MIN_LIFT: Final = 0.6
"""Least share of a candidate's clauses with praise or blame, against that of all clauses."""
MAX_DISTANCE: Final = 0.6
"""Groups farther apart than this mean cosine distance are not joined."""
_LARGE: Final = 0.04
"""Share of the reviews that name a phrase, from which on it stands for something of its own."""
_APART: Final = 1.5
_TOGETHER: Final = 0.6
_NEVER: Final = 1e6
_FARTHEST: Final = 6.0
_MIN_GERUND_SHARE: Final = 0.35
"""The same of words in -ing, most of which are verbs: "after considering", but "the seating"."""
_MAX_CANDIDATES: Final = 400
_MAX_REVIEWS: Final = 20_000
_MAX_SEEDS: Final = 12
_N_EXAMPLES: Final = 3
_WORD: Final = re.compile(r"[^\W\d_][^\W_]*")


@dataclass(frozen=True)
class Proposal:
    """One proposed attribute: `n_reviews` name one of its `seeds`, of which the first stands for all.

    `examples` are clauses, as written, that show it.
    """

    name: str
    seeds: tuple[str, ...]
    n_reviews: int
    examples: tuple[str, ...]


@dataclass
class _Tally:
    """Of one candidate: occurrences, those in a noun's place, those that judge by themselves.

    `n_clauses` hold it, `n_opinion` of these hold praise or blame; `named` are the reviews that use
    it as a noun, `judged` those that judge it.
    """

    n: int = 0
    n_noun: int = 0
    n_judging: int = 0
    n_clauses: int = 0
    n_opinion: int = 0
    named: set[int] = field(default_factory=set)
    judged: set[int] = field(default_factory=set)
    clauses: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Candidate:
    phrase: str
    reviews: frozenset[int]
    clauses: tuple[tuple[int, str], ...]


def discover_attributes(
    texts: Sequence[str], embed: Embed, *, most: int = 12
) -> tuple[Proposal, ...]:
    """Up to `most` proposed attributes, the most named first; empty when nothing is judged often.

    Depends on the set of texts, not on their order; of more than 20,000 a fixed part is read.
    """
    chosen = choose_texts(texts)
    tallies, opinion_share = _count(chosen)
    n_reviews = len(chosen)
    candidates = _pick_candidates(tallies, opinion_share, n_reviews)
    if not candidates:
        return ()
    vectors = embed([candidate.phrase for candidate in candidates])
    pulls = weigh_distances(
        [candidate.phrase for candidate in candidates],
        np.array([len(candidate.reviews) for candidate in candidates]) / n_reviews,
    )
    groups = group_phrases(vectors, pulls)
    proposals = [_propose([candidates[at] for at in group], vectors[group]) for group in groups]
    ranked = sorted(proposals, key=lambda one: (-one.n_reviews, one.name))
    return _name_apart(ranked[:most])


def choose_texts(texts: Sequence[str]) -> list[str]:
    """The distinct texts that are read, blank ones left out: all, or a fixed part of 20,000."""
    chosen = sorted({hash_text(text): text for text in texts if text.strip()}.items())
    return [text for _, text in chosen[:_MAX_REVIEWS]]


def weigh_distances(
    phrases: Sequence[str], shares: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """What the cosine distances of n phrases are multiplied by, shape (n, n).

    Words of one concept of the thesaurus are drawn together and words of two kept apart, and so are
    two that a good part of the reviews (`shares`, (n,)) name each: people speak of both.
    """
    concepts = [_find_concept_of(phrase) for phrase in phrases]
    is_known = np.array([one is not None for one in concepts])
    is_same = np.array([[one == other for other in concepts] for one in concepts])
    both_known = is_known[:, None] & is_known[None, :]
    is_large = shares >= _LARGE
    pulls = np.where(is_large[:, None] & is_large[None, :], _APART, 1.0)
    pulls = np.where(both_known & is_same, _TOGETHER, pulls)
    found: npt.NDArray[np.float64] = np.where(both_known & ~is_same, _NEVER, pulls)
    return found


@cache
def _map_terms() -> dict[tuple[str, ...], str]:
    """The concept of each term that belongs to one alone."""
    owners: dict[tuple[str, ...], set[str]] = {}
    for concept in load_concepts().values():
        if concept.is_background:
            continue
        for term in (concept.name.replace("_", " "), *concept.terms):
            for form in inflect(term):
                owners.setdefault(form, set()).add(concept.name)
    return {form: next(iter(names)) for form, names in owners.items() if len(names) == 1}


def _find_concept_of(phrase: str) -> str | None:
    return _map_terms().get(tuple(phrase.split()))


def group_phrases(
    vectors: npt.NDArray[np.float32], pulls: npt.NDArray[np.float64] | float = 1.0
) -> list[list[int]]:
    """Rows of unit vectors, grouped by average linkage up to `MAX_DISTANCE` (cosine).

    Distances are multiplied by `pulls` (n, n).
    """
    from sklearn.cluster import AgglomerativeClustering

    if len(vectors) == 1:
        return [[0]]
    distances = np.clip(1.0 - vectors @ vectors.T, 0.0, 2.0).astype(np.float64)
    distances = np.minimum(distances * pulls, _FARTHEST).round(5)
    labels = AgglomerativeClustering(
        n_clusters=None,
        metric="precomputed",
        linkage="average",
        distance_threshold=MAX_DISTANCE,
    ).fit_predict(distances)
    groups: dict[int, list[int]] = {}
    for row, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(row)
    return list(groups.values())


def write_toml(proposals: Sequence[Proposal], *, n_texts: int, n_read: int | None = None) -> str:
    """A part of whyrec.toml that a person can edit; it loads as it is.

    Of `n_texts` those that are distinct and not blank were read, `n_read` if these are fewer.
    """
    is_part = n_read is not None and n_read < n_texts
    texts = f"{n_read:,} distinct ones of {n_texts:,} texts" if is_part else f"{n_texts:,} texts"
    lines = [f"# Proposed from {texts}; keep, rename, join or delete, then run again."]
    for one in proposals:
        lines += ["", f"# named in {one.n_reviews:,} reviews"]
        lines += [f"# {json.dumps(example, ensure_ascii=False)}" for example in one.examples]
        seeds = ", ".join(json.dumps(seed, ensure_ascii=False) for seed in one.seeds)
        lines += ["[[extract.attributes]]", f'name = "{one.name}"', f"seeds = [{seeds}]"]
    return "\n".join(lines) + "\n"


def _count(texts: Sequence[str]) -> tuple[dict[str, _Tally], float]:
    """Tallies of all candidates, and the share of clauses that hold praise or blame."""
    tallies: dict[str, _Tally] = {}
    n_clauses = n_opinions = 0
    for review, text in enumerate(texts):
        parsed = parse_text(text)
        forms = [word.form for word in parsed.words]
        for segment in parsed.segments:
            opinions = find_opinions(forms, segment.first, segment.last)
            n_clauses += 1
            n_opinions += bool(opinions)
            marked = {at for one in opinions for at in range(one.first, one.last)}
            seen: set[str] = set()
            for phrase, first, last in _list_phrases(forms, segment):
                tally = tallies.setdefault(phrase, _Tally())
                is_noun = _stands_as_noun(forms, segment, first, last, marked)
                is_judged = _is_judged(forms, segment, first, last, marked)
                tally.n += 1
                tally.n_noun += is_noun
                tally.n_judging += bool(marked & set(range(first, last)))
                if phrase not in seen:
                    tally.n_clauses += 1
                    tally.n_opinion += bool(marked - set(range(first, last)))
                seen.add(phrase)
                if is_noun or is_judged:
                    tally.named.add(review)
                if is_judged:
                    tally.judged.add(review)
                    tally.clauses.append((review, _cite(parsed, segment)))
    return tallies, n_opinions / max(n_clauses, 1)


def _list_phrases(forms: Sequence[str], segment: Segment) -> Iterator[tuple[str, int, int]]:
    """Words and pairs of words that could name something."""
    for at in range(segment.first, segment.last):
        if not _may_name(forms[at]):
            continue
        yield forms[at], at, at + 1
        if at + 1 < segment.last and (_may_name(forms[at + 1]) or forms[at + 1] in _SECOND_NOUNS):
            yield f"{forms[at]} {forms[at + 1]}", at, at + 2


def _may_name(form: str) -> bool:
    return (
        len(form) > 2
        and form not in _FUNCTION
        and form not in _PLAIN_NOUNS
        and _WORD.fullmatch(form) is not None
    )


def _stands_as_noun(
    forms: Sequence[str], segment: Segment, first: int, last: int, marked: set[int]
) -> bool:
    """After a determiner or a judging word, and before a function word or the clause's end.

    Or first in the clause, and before its verb: "Customer service was great".
    """
    if first == segment.first:
        return last < segment.last and forms[last] in _VERBS
    is_opened = forms[first - 1] in _DETERMINERS or first - 1 in marked
    is_closed = last == segment.last or forms[last] in _FUNCTION
    return is_opened and is_closed


def _is_judged(
    forms: Sequence[str], segment: Segment, first: int, last: int, marked: set[int]
) -> bool:
    """As in "great food", "the food was (really very) great"; the phrase itself is no judgement."""
    if not (last == segment.last or forms[last] in _FUNCTION):
        return False
    if first > segment.first and _qualifies(forms, first - 1, marked):
        return True
    if last < segment.last and forms[last] in _VERBS:
        return any(at in marked for at in range(last + 1, min(last + 6, segment.last)))
    return False


def _qualifies(forms: Sequence[str], at: int, marked: set[int]) -> bool:
    """Whether a word of praise or blame can stand before a noun, as adverbs do not."""
    return at in marked and not forms[at].endswith("ly") and forms[at] != "well"


def _cite(parsed: Parsed, segment: Segment) -> str:
    start, end = parsed.words[segment.first].start, parsed.words[segment.last - 1].end
    return read_clause(parsed.view, start, end)


def _pick_candidates(
    tallies: dict[str, _Tally], opinion_share: float, n_reviews: int
) -> list[_Candidate]:
    """Candidates that are nouns, judged often, and judged more than other clauses are."""
    least = max(_MIN_REVIEWS, math.ceil(_MIN_SHARE * n_reviews))
    kept: dict[str, _Candidate] = {}
    for phrase, tally in sorted(tallies.items()):
        is_lifted = tally.n_opinion >= _MIN_LIFT * opinion_share * tally.n_clauses
        needed = _MIN_GERUND_SHARE if _is_gerund(phrase) else _MIN_NOUN_SHARE
        is_noun = tally.n_noun >= needed * tally.n and 2 * tally.n_judging < tally.n
        if len(tally.judged) >= least and is_lifted and is_noun:
            kept[phrase] = _Candidate(phrase, frozenset(tally.named), tuple(tally.clauses))
    merged: dict[str, _Candidate] = {}
    for phrase, candidate in kept.items():
        base = _find_singular(phrase, kept)
        other = merged.get(base)
        merged[base] = _Candidate(
            base if other or base == phrase else phrase,
            candidate.reviews | (other.reviews if other else frozenset()),
            candidate.clauses + (other.clauses if other else ()),
        )
    ranked = sorted(merged.values(), key=lambda one: (-len(one.reviews), one.phrase))
    return ranked[:_MAX_CANDIDATES]


def _is_gerund(phrase: str) -> bool:
    return phrase.endswith("ing") and _find_concept_of(phrase) is None


def _find_singular(phrase: str, known: dict[str, _Candidate]) -> str:
    """The singular of a plural whose singular is a candidate too."""
    for ending, other in (("ies", "y"), ("es", ""), ("s", "")):
        if phrase.endswith(ending) and phrase.removesuffix(ending) + other in known:
            return phrase.removesuffix(ending) + other
    return phrase


def _propose(group: Sequence[_Candidate], vectors: npt.NDArray[np.float32]) -> Proposal:
    """One group as an attribute, called by the phrase most named and nearest to the others."""
    counts = np.array([len(one.reviews) for one in group], dtype=np.float64)
    centre = (vectors * counts[:, None]).sum(axis=0)
    centrality = vectors @ (centre / np.linalg.norm(centre))
    named = group[int((counts * np.maximum(centrality, 0.0)).round(4).argmax())]
    ordered = sorted(group, key=lambda one: (one is not named, -len(one.reviews), one.phrase))
    return Proposal(
        _slug(named.phrase),
        tuple(one.phrase for one in ordered[:_MAX_SEEDS]),
        len(frozenset().union(*(one.reviews for one in group))),
        _choose_examples(ordered),
    )


def _choose_examples(ordered: Sequence[_Candidate]) -> tuple[str, ...]:
    """Short clauses of different reviews, of the first seeds."""
    found: dict[int, str] = {}
    for review, clause in (part for one in ordered for part in sorted(one.clauses, key=_length)):
        if clause.casefold() not in {other.casefold() for other in found.values()}:
            found.setdefault(review, clause)
        if len(found) == _N_EXAMPLES:
            break
    return tuple(found.values())


def _length(clause: tuple[int, str]) -> tuple[int, str]:
    """Near twelve words first: shorter tells nothing, longer nobody reads."""
    return abs(len(clause[1].split()) - 8), clause[1]


def _slug(phrase: str) -> str:
    """A name as settings allow it."""
    plain = unicodedata.normalize("NFKD", phrase).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40]
    return name if name[:1].isalpha() else f"attribute_{name}".rstrip("_")


def _name_apart(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """The same with names that differ."""
    seen: Counter[str] = Counter()
    apart = []
    for one in proposals:
        seen[one.name] += 1
        name = one.name if seen[one.name] == 1 else f"{one.name[:37]}_{seen[one.name]}"
        apart.append(Proposal(name, one.seeds, one.n_reviews, one.examples))
    return tuple(apart)
