"""The extractors by name: the one list that commands and nights choose from."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tasks.platform.errors import ConfigError
from tasks.platform.settings import ExtractSettings, LlmSettings
from tasks.text.clauses import ClauseExtractor
from tasks.text.extract import Extractor
from tasks.text.llm import Budget, LlmExtractor
from tasks.text.llm_model import CausalModel

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


_Maker = Callable[[ExtractSettings, Path | None], Extractor]
_MAKERS: Final[Mapping[str, _Maker]] = {
    "clauses": lambda _settings, _kept: ClauseExtractor(),
    "llm": lambda settings, kept: open_llm(settings.llm, kept),
}
EXTRACTORS: Final = tuple(_MAKERS)


def make_extractor(
    settings: ExtractSettings, name: str | None = None, *, kept: Path | None = None
) -> Extractor:
    """The extractor called `name`, else the one of the settings; raises ConfigError for another.

    `kept` is the folder where converted models are kept.
    """
    wanted = name or settings.extractor
    if wanted not in _MAKERS:
        raise ConfigError(f"extractor {wanted!r} is not known; allowed are {', '.join(EXTRACTORS)}")
    return _MAKERS[wanted](settings, kept)
