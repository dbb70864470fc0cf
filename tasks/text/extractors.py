"""The extractors by name: the one list that commands and nights choose from."""

from collections.abc import Callable, Mapping
from typing import Final

from tasks.platform.errors import ConfigError
from tasks.platform.settings import ExtractSettings
from tasks.text.clauses import ClauseExtractor
from tasks.text.extract import Extractor

_MAKERS: Final[Mapping[str, Callable[[ExtractSettings], Extractor]]] = {
    "clauses": lambda _: ClauseExtractor(),
}
EXTRACTORS: Final = tuple(_MAKERS)


def make_extractor(settings: ExtractSettings, name: str | None = None) -> Extractor:
    """The extractor called `name`, else the one of the settings; raises ConfigError for another."""
    wanted = name or settings.extractor
    if wanted not in _MAKERS:
        raise ConfigError(f"extractor {wanted!r} is not known; allowed are {', '.join(EXTRACTORS)}")
    return _MAKERS[wanted](settings)
