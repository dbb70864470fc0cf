"""A probe taught with what would fool it: judgements turned round by rule."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flows.attacks.models import CODES, Memory, Reading, list_terms
from flows.desk.texts import Desk
from tasks.platform.errors import ConfigError
from tasks.platform.labels import NEGATIVE, POSITIVE, UNDECIDED
from tasks.robustness.adversarial import augment
from tasks.robustness.text.rewrites import Opposites
from tasks.text.distilled import DistilledExtractor, Lesson, fit_distilled
from tasks.text.extractors import DISTILLED

TURNED_SHARE: Final = 0.5
"""Of the taught texts, those whose turned version teaches a hardened probe too."""


def harden_reader(
    desk: Desk, reader: Any, texts: Sequence[str], memory: Memory
) -> DistilledExtractor:
    """A probe taught what the reader says of `texts`, and the opposite of what rules turned round.

    The texts are none of those that are attacked. Raises ConfigError for readers that are not taught.
    """
    if not isinstance(reader, DistilledExtractor):
        raise ConfigError("--harden teaches a probe; add --extractor distilled")
    if not texts:
        raise ConfigError("--harden needs texts that are not attacked; lower --max-texts")
    answers = Reading(reader, desk.attributes, memory).read(texts).argmax(axis=2)
    labels = np.array(CODES)[answers]
    made = [turn_attribute(desk, texts, labels, at) for at in range(len(desk.names))]
    more = [row for part in made for row in part]
    lesson = Lesson(
        (*texts, *(body for body, _ in more)),
        np.concatenate([labels, *(row[None] for _, row in more)]),
        np.arange(len(texts) + len(more)) < len(texts),
        f"{DISTILLED}-hardened",
    )
    threshold = desk.settings.extract.distilled.threshold
    return fit_distilled(lesson, desk.attributes, memory, threshold=threshold, base=reader.base)


def turn_attribute(
    desk: Desk, texts: Sequence[str], labels: npt.NDArray[np.int64], at: int
) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Texts whose judgements of attribute number `at` are turned, with their labels; others undecided."""
    terms = list_terms(desk.attributes, at)
    column = np.where(np.isin(labels[:, at], (POSITIVE, NEGATIVE)), labels[:, at], 0)
    rng = np.random.default_rng([desk.settings.extract.distilled.seed, at])
    turned = augment(texts, column, turning=(Opposites(terms),), share=TURNED_SHARE, rng=rng)
    rows = []
    for body, label in zip(turned.texts, turned.labels, strict=True):
        row = np.full(len(desk.names), UNDECIDED, dtype=np.int64)
        row[at] = label
        rows.append((body, row))
    return rows[len(texts) :]
