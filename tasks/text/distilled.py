"""The distilled extractor: a teacher labels a sample, a calibrated probe on vectors reads the rest.

The teacher is another extractor or a person's labels; ratings play no part. Of the sample one half
is drawn at random, which gives an unbiased view of how well the probe agrees with its teacher; the
other half is chosen to tell the most, by going round the attributes: of the reviews whose clauses
come nearest to an attribute, the one whose clause lies farthest from all that are chosen already
(k-center, Sener and Savarese 2018, https://arxiv.org/abs/1708.00489).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.platform.errors import ConfigError
from tasks.platform.labels import ABSENT, UNDECIDED
from tasks.text.evaluate import read_answers
from tasks.text.extract import (
    EXTRACTION_SCHEMA,
    AttributeLike,
    Embed,
    Extraction,
    Extractor,
)
from tasks.text.labelled import UntaughtError
from tasks.text.probe import (
    FOLDS,
    Labels,
    Probe,
    encode_probe,
    fit_probe,
    gather_inputs,
)
from tasks.text.readings import TRAITS, Floats, Readings, pool_clauses, read_clauses
from tasks.text.store import hash_text

MIN_LABELLED: Final = 20
"""Fewer labelled reviews teach nothing."""
POOL: Final = 5000
"""Reviews that a sample is chosen from, when there are more: a random part of so many."""
_NEAR_FACTOR: Final = 3
"""Reviews nearest to an attribute that its part of the chosen half is taken from, by its size."""
_CHUNK_REVIEWS: Final = 4000
_SPAN_SHARE: Final = 0.5
"""A clause needs this share of the heaviest clause's weight to be the one an answer was read from."""


@dataclass(frozen=True)
class Lesson:
    """What a teacher said: `labels` (n, attributes) of `reviews` (n texts), UNDECIDED where nothing.

    `is_random` (n,) marks those drawn at random.
    """

    texts: tuple[str, ...]
    labels: Labels
    is_random: npt.NDArray[np.bool_]
    teacher: str
    n_tokens: int = 0


@dataclass(frozen=True)
class DistilledExtractor:
    """Reads attributes by a fitted probe; deterministic, and each review on its own.

    `base` is the extractor whose answers are among the probe's inputs, None when it reads vectors
    alone. Every answer is given, also below the probe's threshold: its confidence says so.
    """

    probe: Probe
    base: Extractor | None = None

    @property
    def revision(self) -> str:
        """Hash of the fitted probe, and what its inputs hang on."""
        own = hashlib.sha256(encode_probe(self.probe)).hexdigest()[:16]
        return f"distilled-{own}" + (f"-{self.base.revision}" if self.base else "")

    def extract(
        self,
        reviews: Sequence[tuple[str, str]],
        *,
        attributes: Sequence[AttributeLike],
        embed: Embed,
    ) -> Extraction:
        """One row per review and attribute; raises ConfigError when the probe was taught others."""
        names = tuple(attribute.name for attribute in attributes)
        if names != self.probe.attributes:
            raise ConfigError(
                f"the probe reads {', '.join(self.probe.attributes)}, not {', '.join(names)}; "
                "fit it for these"
            )
        frames = [
            self._extract_chunk(reviews[at : at + _CHUNK_REVIEWS], attributes, embed)
            for at in range(0, len(reviews), _CHUNK_REVIEWS)
        ]
        return Extraction(pl.concat(frames) if frames else pl.DataFrame(schema=EXTRACTION_SCHEMA))

    def _extract_chunk(
        self,
        reviews: Sequence[tuple[str, str]],
        attributes: Sequence[AttributeLike],
        embed: Embed,
    ) -> pl.DataFrame:
        readings, inputs = observe([text for _, text in reviews], attributes, embed, base=self.base)
        shares = self.probe.predict(inputs).round(4)
        classes = np.array(self.probe.classes)
        answers = classes[shares.argmax(axis=2)]
        confidence = shares.max(axis=2)
        is_empty = ~np.isin(np.arange(readings.n), readings.review)
        answers[is_empty], confidence[is_empty] = ABSENT, 1.0
        spans = [find_spans(self.probe, readings, answers, at) for at in range(len(attributes))]
        rows = [
            (review_id, name, *_describe(answers[row, at], confidence[row, at], spans[at][row]))
            for row, (review_id, _) in enumerate(reviews)
            for at, name in enumerate(self.probe.attributes)
        ]
        return pl.DataFrame(rows, schema=EXTRACTION_SCHEMA, orient="row")


def observe(
    texts: Sequence[str],
    attributes: Sequence[AttributeLike],
    embed: Embed,
    *,
    base: Extractor | None,
) -> tuple[Readings, list[tuple[Floats, Floats, Floats]]]:
    """Clauses of `texts` and the probe's inputs."""
    readings = read_clauses(texts, attributes, embed)
    return readings, gather_inputs(readings, _ask_base(texts, attributes, embed, base))


def choose_sample(
    texts: Sequence[str],
    attributes: Sequence[AttributeLike],
    embed: Embed,
    *,
    size: int,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Rows of distinct texts to be labelled, shape (k,), k <= `size`, and which are random.

    Depends on the set of texts and on `rng`, not on their order.
    """
    rows = _list_distinct(texts)
    drawn = rows[rng.permutation(len(rows))[:POOL]]
    half = min(len(drawn), size // 2 + size % 2)
    chosen = [*range(half)]
    if half < len(drawn):
        readings = read_clauses([texts[row] for row in drawn], attributes, embed)
        chosen += _go_round(readings, len(attributes), n_random=half, size=min(size, len(drawn)))
    picked = np.array(chosen, dtype=np.int64)
    return drawn[picked], np.arange(len(picked)) < half


def teach(
    texts: Sequence[str],
    attributes: Sequence[AttributeLike],
    embed: Embed,
    *,
    teacher: Extractor,
    size: int,
    rng: np.random.Generator,
) -> Lesson:
    """Choose a sample of `texts` and have the teacher read it; what it skipped is left out."""
    rows, is_random = choose_sample(texts, attributes, embed, size=size, rng=rng)
    found = teacher.extract(
        [(str(at), texts[row]) for at, row in enumerate(rows)], attributes=attributes, embed=embed
    )
    answers, _ = read_answers(found.frame, [attribute.name for attribute in attributes])
    read = found.frame["review_id"].unique(maintain_order=True).cast(pl.Int64).to_numpy()
    return Lesson(
        tuple(texts[row] for row in rows[read]),
        answers,
        is_random[read],
        teacher.revision,
        found.n_tokens,
    )


def take_labels(texts: Sequence[str], labels: Mapping[str, Labels], *, name: str) -> Lesson:
    """A lesson of a person's labels, by attribute; reviews without any decided label are left out."""
    columns = np.column_stack([*labels.values()]) if labels else np.zeros((0, 0), dtype=np.int64)
    rows = np.flatnonzero((columns != UNDECIDED).any(axis=1)).tolist()
    digest = hashlib.sha256(columns[rows].tobytes())
    for row in rows:
        digest.update(bytes.fromhex(hash_text(texts[row])))
    return Lesson(
        tuple(texts[row] for row in rows),
        columns[rows],
        np.ones(len(rows), dtype=bool),
        f"{name}-{digest.hexdigest()[:16]}",
    )


def fit_distilled(
    lesson: Lesson,
    attributes: Sequence[AttributeLike],
    embed: Embed,
    *,
    threshold: float,
    base: Extractor | None,
) -> DistilledExtractor:
    """Fit the probe to a lesson; how well it agrees stands in `probe.about`.

    Raises UntaughtError when too few reviews are labelled.
    """
    if len(lesson.texts) < MIN_LABELLED:
        raise UntaughtError(
            f"{len(lesson.texts)} labelled reviews were found, at least {MIN_LABELLED} are needed; "
            "label more, or give a larger sample"
        )
    _, inputs = observe(lesson.texts, attributes, embed, base=base)
    probe, held = fit_probe(
        inputs,
        lesson.labels,
        attributes=[attribute.name for attribute in attributes],
        is_used=lesson.labels != UNDECIDED,
        folds=part_reviews(lesson.texts),
        about={},
    )
    about = {
        "teacher": lesson.teacher,
        "n_labelled": len(lesson.texts),
        "n_random": int(lesson.is_random.sum()),
        "n_tokens": lesson.n_tokens,
        "threshold": threshold,
        **measure_agreement(probe, held, lesson, threshold),
    }
    return DistilledExtractor(replace(probe, about=about), base)


def part_reviews(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """A fold in [0, FOLDS) for each text, by its hash: equal texts share one."""
    hashes = [hash_text(text) for text in texts]
    return np.array([int(value[:16], 16) % FOLDS for value in hashes], dtype=np.int64)


def measure_agreement(
    probe: Probe, held: Floats, lesson: Lesson, threshold: float
) -> dict[str, Any]:
    """Agreement with the teacher on the random part, by fits that had not seen the review.

    `agreement` and `coverage` (share of answers at or above the threshold) are over all attributes,
    `sure_agreement` over covered answers; the same by attribute. None where there is nothing.
    """
    answers = np.array(probe.classes)[held.argmax(axis=2)]
    is_asked = lesson.is_random[:, None] & (lesson.labels != UNDECIDED)
    is_right, is_sure = answers == lesson.labels, held.max(axis=2) >= threshold
    by_attribute = {
        name: {
            "n": int(is_asked[:, at].sum()),
            "agreement": _share(is_right[:, at], is_asked[:, at]),
            "coverage": _share(is_sure[:, at], is_asked[:, at]),
        }
        for at, name in enumerate(probe.attributes)
    }
    return {
        "agreement": _share(is_right, is_asked),
        "coverage": _share(is_sure, is_asked),
        "sure_agreement": _share(is_right, is_asked & is_sure),
        "attributes": by_attribute,
    }


def find_spans(
    probe: Probe, readings: Readings, answers: Labels, attribute: int
) -> list[tuple[int, int] | None]:
    """The clause of each review that speaks most for its answer, None where nothing is mentioned.

    Among clauses that weigh enough, the one with the highest weight times the logistic of what its
    vector and opinion add to the log-odds of the answer.
    """
    spans: list[tuple[int, int] | None] = [None] * readings.n
    if not len(readings.review):
        return spans
    weight, column = readings.weight[:, attribute], answers[readings.review, attribute]
    heaviest = np.zeros(readings.n)
    np.maximum.at(heaviest, readings.review, weight)
    strength = np.full(len(weight), -1.0)
    spoken = [TRAITS.index(name) for name in ("weighed_opinion", "nearest_opinion")]
    for label in probe.classes:
        if label == ABSENT:
            continue
        clause, _, traits = probe.answer_weights(attribute, label)
        here = (column == label) & (weight >= _SPAN_SHARE * heaviest[readings.review])
        odds = (
            readings.clauses[here] @ clause
            + readings.opinion[here, attribute] * traits[spoken].sum()
        )
        strength[here] = weight[here] / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))
    order = np.lexsort((np.arange(len(strength)), -strength.round(6), readings.review))
    reviews, firsts = np.unique(readings.review[order], return_index=True)
    for review, at in zip(reviews, order[firsts], strict=True):
        if strength[at] >= 0:
            spans[review] = int(readings.start[at]), int(readings.end[at])
    return spans


def _describe(
    answer: int, confidence: float, span: tuple[int, int] | None
) -> tuple[bool, int, float, int | None, int | None]:
    if answer == ABSENT:
        return False, 0, float(confidence), None, None
    start, end = span if span else (None, None)
    return True, int(answer), float(confidence), start, end


def _share(part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> float | None:
    return round(float(part[whole].mean()), 4) if whole.any() else None


def _ask_base(
    texts: Sequence[str],
    attributes: Sequence[AttributeLike],
    embed: Embed,
    base: Extractor | None,
) -> list[Floats] | None:
    """Per attribute: praise, blame, absent, confidence and signed confidence, shape (n, 5)."""
    if base is None:
        return None
    reviews = [(str(at), text) for at, text in enumerate(texts)]
    found = base.extract(reviews, attributes=attributes, embed=embed)
    answers, sure = read_answers(found.frame, [attribute.name for attribute in attributes])
    sign = np.where(answers == ABSENT, 0, answers)
    return [
        np.column_stack(
            [answers[:, at] == 1, answers[:, at] == -1, answers[:, at] == ABSENT, sure[:, at],
             sign[:, at] * sure[:, at]]
        ).astype(np.float64)
        for at in range(len(attributes))
    ]  # fmt: skip


def _list_distinct(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Rows of distinct texts that are not blank, in the order of the texts' hashes."""
    rows: dict[str, int] = {}
    for row, text in enumerate(texts):
        if text.strip():
            rows.setdefault(hash_text(text), row)
    return np.array([rows[key] for key in sorted(rows)], dtype=np.int64)


def _go_round(readings: Readings, n_attributes: int, *, n_random: int, size: int) -> list[int]:
    """Further reviews, after the first `n_random`, by attribute in turn, each the farthest one."""
    chosen = list(range(n_random))
    near, vectors, gaps = [], [], []
    n_near = _NEAR_FACTOR * -(-(size - n_random) // n_attributes)
    for at in range(n_attributes):
        pooled, traits = pool_clauses(readings, at)
        order = np.argsort(-traits[:, 0].round(4), kind="stable")
        near.append(order[:n_near])
        vectors.append(pooled[order[:n_near]])
        gaps.append(_distance(vectors[at], pooled[chosen]).min(axis=1))
    is_chosen = np.zeros(readings.n, dtype=bool)
    is_chosen[chosen] = True
    turn = 0
    while len(chosen) < size and not all(is_chosen[part].all() for part in near):
        at, turn = turn % n_attributes, turn + 1
        gap = np.where(is_chosen[near[at]], -1.0, gaps[at])
        best = int(gap.round(6).argmax())
        review = int(near[at][best])
        if is_chosen[review]:
            continue
        chosen.append(review)
        is_chosen[review] = True
        gaps[at] = np.minimum(gaps[at], _distance(vectors[at], vectors[at][[best]])[:, 0])
    return chosen[n_random:]


def _distance(one: Floats, other: Floats) -> Floats:
    """Squared Euclidean distances, shape (n, m)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2.0 * one @ other.T
    distances: Floats = np.maximum(squares, 0.0)
    return distances
