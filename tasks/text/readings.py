"""Reviews as a probe sees them: clauses with vectors, what of them is about which attribute.

A clause weighs for an attribute by the softmax, over its review, of how near it is to the
attribute's examples (more when it holds one of its words). Nothing here is learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tasks.text.concepts import Target, plan_targets
from tasks.text.extract import AttributeLike, Embed
from tasks.text.polarity import PhraseIndex, find_opinions, score_opinions
from tasks.text.segments import MAX_CLAUSE_WORDS, Parsed, Segment, parse_text, read_clause

Floats = npt.NDArray[np.float64]

NEAREST: Final = 2
"""Similarity is the mean cosine to so many of an attribute's examples, the nearest ones."""
_WORD_BONUS: Final = 0.25
_SHARPNESS: Final = 0.08
"""Temperature of the softmax: a clause nearer by this much weighs 2.7 times as much."""
_LEAST_WORDS: Final = 3
_MAX_CLAUSE_CHARS: Final = 1000
TRAITS: Final = (
    "nearness", "similarity", "is_named", "weighed_opinion", "nearest_opinion", "mean_opinion",
)  # fmt: skip


@dataclass(frozen=True)
class Readings:
    """`n` reviews cut into `m` clauses, in order, seen from A attributes.

    `review`, `start` and `end` have shape (m,): which review a clause is of, and its offsets there.
    `clauses` (m, dim) and `texts` (n, dim) are unit vectors. Of shape (m, A): `weight` (sums to 1 over
    each review's clauses), `similarity` (cosines), `is_named`, `opinion` in [-1, 1].
    """

    review: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    clauses: npt.NDArray[np.float32]
    texts: npt.NDArray[np.float32]
    weight: Floats
    similarity: Floats
    is_named: npt.NDArray[np.bool_]
    opinion: Floats

    @property
    def n(self) -> int:
        """Number of reviews."""
        return len(self.texts)


def read_clauses(
    texts: Sequence[str], attributes: Sequence[AttributeLike], embed: Embed
) -> Readings:
    """Cut and embed `texts` and compare their clauses with the attributes; any string is fine."""
    targets = plan_targets(attributes)[: len(attributes)]
    words = [PhraseIndex(dict.fromkeys(target.terms, True)) for target in targets]
    places: list[tuple[int, int, int]] = []
    keys: list[str] = []
    seen: list[tuple[list[bool], list[float]]] = []
    for number, text in enumerate(texts):
        parsed = parse_text(text)
        forms = [word.form for word in parsed.words]
        for first, last in cut_units(parsed.segments):
            start, end = parsed.words[first].start, parsed.words[last - 1].end
            places.append((number, start, end))
            keys.append(read_clause(parsed.view, start, min(end, start + _MAX_CLAUSE_CHARS)))
            seen.append(_look(parsed, forms, first, last, targets, words))
    distinct = {key: row for row, key in enumerate(dict.fromkeys(keys))}
    vectors = embed([*distinct]) if distinct else np.zeros((0, 1), dtype=np.float32)
    whole = embed(texts) if len(texts) else np.zeros((0, 1), dtype=np.float32)
    clauses = vectors[[distinct[key] for key in keys]] if keys else whole[:0]
    place = np.array(places, dtype=np.int64).reshape(-1, 3)
    is_named = np.array([names for names, _ in seen], dtype=bool).reshape(-1, len(targets))
    similarity = _compare(clauses, [embed(target.examples) for target in targets])
    return Readings(
        review=place[:, 0],
        start=place[:, 1],
        end=place[:, 2],
        clauses=clauses,
        texts=whole,
        weight=_weigh(similarity + _WORD_BONUS * is_named, place[:, 0], len(texts)),
        similarity=similarity,
        is_named=is_named,
        opinion=np.array([said for _, said in seen], dtype=np.float64).reshape(-1, len(targets)),
    )


def cut_units(segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """Word ranges of clauses: segments, short ones joined to the neighbour in their sentence."""
    units: list[tuple[int, int]] = []
    sentence = -1
    for segment in segments:
        if units and segment.sentence == sentence:
            first, last = units[-1]
            is_short = min(segment.last - segment.first, last - first) < _LEAST_WORDS
            if is_short and segment.last - first <= MAX_CLAUSE_WORDS:
                units[-1] = (first, segment.last)
                continue
        units.append((segment.first, segment.last))
        sentence = segment.sentence
    return units


def pool_clauses(readings: Readings, attribute: int) -> tuple[Floats, Floats]:
    """The weighted mean of each review's clauses, shape (n, dim), and its `TRAITS`, shape (n, 6)."""
    weight = readings.weight[:, attribute]
    pooled = np.zeros((readings.n, readings.texts.shape[1]))
    np.add.at(pooled, readings.review, weight[:, None] * readings.clauses)
    opinion, named = readings.opinion[:, attribute], readings.is_named[:, attribute]
    similarity = readings.similarity[:, attribute]
    columns = (
        _max_by(similarity + _WORD_BONUS * named, readings),
        _max_by(similarity, readings),
        _max_by(named.astype(np.float64), readings),
        _sum_by(weight * opinion, readings),
        _sum_by(np.where(_is_heaviest(weight, readings), opinion, 0.0), readings),
        _sum_by(opinion, readings) / np.maximum(_sum_by(np.ones(len(opinion)), readings), 1.0),
    )
    return pooled, np.column_stack(columns)


def _look(
    parsed: Parsed,
    forms: Sequence[str],
    first: int,
    last: int,
    targets: Sequence[Target],
    words: Sequence[PhraseIndex[bool]],
) -> tuple[list[bool], list[float]]:
    """Which attributes a clause names, and its praise or blame for each."""
    named = [
        any(index.find(forms, at, last) is not None for at in range(first, last)) for index in words
    ]
    general = _score(forms, first, last, None)
    return named, [
        _score(forms, first, last, target.own) if is_named else general
        for target, is_named in zip(targets, named, strict=True)
    ]


def _score(forms: Sequence[str], first: int, last: int, own: PhraseIndex[float] | None) -> float:
    opinions = find_opinions(forms, first, last, own=own)
    return score_opinions(opinions) if opinions else 0.0


def _compare(
    clauses: npt.NDArray[np.float32], examples: Sequence[npt.NDArray[np.float32]]
) -> Floats:
    """Similarity to each attribute, shape (m, A); rounded, so that last bits do not decide."""
    similarity = np.zeros((len(clauses), len(examples)))
    if not len(clauses):
        return similarity
    for number, vectors in enumerate(examples):
        cosines = clauses @ vectors.T
        nearest = min(NEAREST, cosines.shape[1])
        similarity[:, number] = np.partition(cosines, -nearest, axis=1)[:, -nearest:].mean(axis=1)
    return similarity.round(4)


def _weigh(nearness: Floats, review: npt.NDArray[np.int64], n: int) -> Floats:
    """Softmax of `nearness` (m, A) over the clauses of each review."""
    highest = np.full((n, nearness.shape[1]), -np.inf)
    np.maximum.at(highest, review, nearness)
    raised = np.exp((nearness - highest[review]) / _SHARPNESS)
    total = np.zeros((n, nearness.shape[1]))
    np.add.at(total, review, raised)
    weights: Floats = raised / total[review]
    return weights


def _sum_by(values: Floats, readings: Readings) -> Floats:
    sums: Floats = np.bincount(readings.review, weights=values, minlength=readings.n).astype(float)
    return sums


def _max_by(values: Floats, readings: Readings) -> Floats:
    """Highest value of each review's clauses, 0 for a review without any."""
    highest = np.full(readings.n, -np.inf)
    np.maximum.at(highest, readings.review, values)
    return np.where(np.isfinite(highest), highest, 0.0)


def _is_heaviest(weight: Floats, readings: Readings) -> npt.NDArray[np.bool_]:
    """The first of the heaviest clauses of each review."""
    order = np.lexsort((np.arange(len(weight)), -weight, readings.review))
    _, firsts = np.unique(readings.review[order], return_index=True)
    found = np.zeros(len(weight), dtype=bool)
    found[order[firsts]] = True
    return found
