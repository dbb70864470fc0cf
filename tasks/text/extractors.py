"""The extractors by name: the one list that commands and nights choose from."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.platform.settings import DistilledSettings, ExtractSettings, LlmSettings
from tasks.text.clauses import ClauseExtractor
from tasks.text.concepts import check_names
from tasks.text.distilled import DistilledExtractor, Lesson, fit_distilled, teach
from tasks.text.extract import AttributeLike, Embed, Extractor
from tasks.text.language import OneLanguageExtractor
from tasks.text.llm import Budget, LlmExtractor
from tasks.text.llm_model import CausalModel
from tasks.text.probe import decode_probe

MODELS: Final = "models"
"""Folder of the lake that holds converted language models."""


@cache
def open_llm(settings: LlmSettings, kept: Path | None) -> LlmExtractor:
    """The LLM extractor of these settings; its weights are loaded when first used, once a process."""
    model = CausalModel(
        settings.model,
        device=settings.device,
        precision=settings.precision,
        revision=settings.revision,
        is_remote_allowed=settings.is_remote_allowed,
        kept=kept,
    )
    return LlmExtractor(
        model,
        prompt=settings.prompt,
        mode=settings.mode,
        batch_tokens=settings.batch_tokens,
        max_tokens=settings.max_tokens,
        budget=Budget(settings.budget_reviews, settings.budget_tokens, settings.budget_s),
    )


DISTILLED: Final = "distilled"
BY_LABELS: Final = "labels"
"""The teacher of a distilled extractor that is a person."""
_Maker = Callable[[ExtractSettings, Path | None], Extractor]
_MAKERS: Final[Mapping[str, _Maker]] = {
    "clauses": lambda _settings, _kept: OneLanguageExtractor(ClauseExtractor()),
    "llm": lambda settings, kept: open_llm(settings.llm, kept),
}
EXTRACTORS: Final = (*_MAKERS, DISTILLED)


def make_extractor(
    settings: ExtractSettings,
    name: str | None = None,
    *,
    kept: Path | None = None,
    probe: bytes | None = None,
) -> Extractor:
    """The extractor called `name`, else the one of the settings; raises ConfigError for another.

    `kept` is the folder where converted models are kept; the distilled extractor is made of its
    fitted `probe`.
    """
    wanted = name or settings.extractor
    if wanted == DISTILLED:
        if probe is None:
            raise ConfigError("extractor 'distilled' has no fitted probe here; fit it first")
        taught = DistilledExtractor(decode_probe(probe), choose_base(settings.distilled))
        return OneLanguageExtractor(taught)
    if wanted not in _MAKERS:
        raise ConfigError(f"extractor {wanted!r} is not known; allowed are {', '.join(EXTRACTORS)}")
    return _MAKERS[wanted](settings, kept)


def choose_base(settings: DistilledSettings) -> Extractor | None:
    """The extractor whose answers a probe may use; none when it is the very teacher."""
    return None if settings.teacher == "clauses" else ClauseExtractor()


def check_attributes(name: str, attributes: Sequence[AttributeLike]) -> None:
    """Raise ConfigError for names that the extractor called `name` would read alike; a model reads all."""
    if name != "llm":
        check_names(attributes)


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


def make_teacher(settings: ExtractSettings, *, kept: Path | None = None) -> Extractor:
    """The extractor that teaches the distilled one; raises ConfigError when a person does."""
    if settings.distilled.teacher == BY_LABELS:
        raise ConfigError("teacher 'labels' needs a file of labels; name it")
    return make_extractor(settings, settings.distilled.teacher, kept=kept)


def learn_extractor(
    settings: ExtractSettings,
    texts: Sequence[str],
    attributes: Sequence[AttributeLike],
    embed: Embed,
    *,
    lesson: Lesson | None = None,
    kept: Path | None = None,
) -> DistilledExtractor:
    """A distilled extractor fitted to a lesson, else to a sample of `texts` that its teacher reads."""
    distilled = settings.distilled
    taught = lesson or teach(
        texts,
        attributes,
        embed,
        teacher=make_teacher(settings, kept=kept),
        size=distilled.sample,
        rng=np.random.default_rng(distilled.seed),
    )
    return fit_distilled(
        taught, attributes, embed, threshold=distilled.threshold, base=choose_base(distilled)
    )
