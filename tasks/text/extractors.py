"""The extractors by name: the one list that commands and nights choose from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.platform.settings import DistilledSettings, ExtractSettings
from tasks.text.clauses import ClauseExtractor
from tasks.text.distilled import DistilledExtractor, Lesson, fit_distilled, teach
from tasks.text.extract import AttributeLike, Embed, Extractor
from tasks.text.probe import decode_probe

DISTILLED: Final = "distilled"
BY_LABELS: Final = "labels"
"""The teacher of a distilled extractor that is a person."""
_MAKERS: Final[Mapping[str, Callable[[ExtractSettings], Extractor]]] = {
    "clauses": lambda _: ClauseExtractor(),
}
EXTRACTORS: Final = (*_MAKERS, DISTILLED)


def make_extractor(
    settings: ExtractSettings, name: str | None = None, *, probe: bytes | None = None
) -> Extractor:
    """The extractor called `name`, else the one of the settings; raises ConfigError for another.

    The distilled one is made of its fitted `probe`.
    """
    wanted = name or settings.extractor
    if wanted == DISTILLED:
        if probe is None:
            raise ConfigError("extractor 'distilled' has no fitted probe here; fit it first")
        return DistilledExtractor(decode_probe(probe), choose_base(settings.distilled))
    if wanted not in _MAKERS:
        raise ConfigError(f"extractor {wanted!r} is not known; allowed are {', '.join(EXTRACTORS)}")
    return _MAKERS[wanted](settings)


def choose_base(settings: DistilledSettings) -> Extractor | None:
    """The extractor whose answers a probe may use; none when it is the very teacher."""
    return None if settings.teacher == "clauses" else ClauseExtractor()


def revise_extractor(settings: ExtractSettings, *, labels: str = "") -> str:
    """What the configured extractor's answers hang on, beyond its settings, code and texts.

    `labels` is the hash of the file of labels that a distilled one is taught by.
    """
    if settings.extractor != DISTILLED:
        return make_extractor(settings).revision
    distilled = settings.distilled
    base = choose_base(distilled)
    by = labels if distilled.teacher == BY_LABELS else make_teacher(settings).revision
    return "-".join(filter(None, (DISTILLED, by, base.revision if base else "")))


def make_teacher(settings: ExtractSettings) -> Extractor:
    """The extractor that teaches the distilled one; raises ConfigError when a person does."""
    if settings.distilled.teacher == BY_LABELS:
        raise ConfigError("teacher 'labels' needs a file of labels; name it")
    return make_extractor(settings, settings.distilled.teacher)


def learn_extractor(
    settings: ExtractSettings,
    texts: Sequence[str],
    attributes: Sequence[AttributeLike],
    embed: Embed,
    *,
    lesson: Lesson | None = None,
) -> DistilledExtractor:
    """A distilled extractor fitted to a lesson, else to a sample of `texts` that its teacher reads."""
    distilled = settings.distilled
    taught = lesson or teach(
        texts,
        attributes,
        embed,
        teacher=make_teacher(settings),
        size=distilled.sample,
        rng=np.random.default_rng(distilled.seed),
    )
    return fit_distilled(
        taught, attributes, embed, threshold=distilled.threshold, base=choose_base(distilled)
    )
