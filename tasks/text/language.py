"""In which language a text is written: a small model that comes inside its package, no download.

py3langid (BSD-3-Clause), a naive Bayes over bytes of 1 to 4 letters; Lui and Baldwin, langid.py: An
Off-the-shelf Language Identification Tool, ACL 2012.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import polars as pl

from tasks.text.extract import AttributeLike, Embed, Extraction, Extractor

UNKNOWN: Final = "und"
"""The code of ISO 639-2 for a language that is not determined."""
MIN_SURE: Final = 0.5
_NO_LANGUAGE: Final = "zxx"
_READ_CHARS: Final = 2000
"""How much of a text is looked at, from its start."""


@cache
def _open_identifier() -> Any:
    """The identifier over languages that ISO 639-1 has a code for; loading takes half a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    codes = [label for label in identifier.labels if len(label) == 2]
    identifier.set_languages([*codes, _NO_LANGUAGE])
    return identifier


def identify_languages(texts: Sequence[str]) -> list[str]:
    """ISO 639-1 code of each text's language; "und" when it is unsure or no language at all.

    A text is looked at from its start; one in several languages is called by the one that prevails.
    """
    identifier = _open_identifier()
    found = []
    for text in texts:
        code, sureness = identifier.classify(text[:_READ_CHARS])
        is_sure = sureness >= MIN_SURE and code != _NO_LANGUAGE
        found.append(str(code) if is_sure else UNKNOWN)
    return found


def name_refusal(language: str) -> str:
    """Why a review in a language that an extractor does not read is skipped."""
    return f"language {language} is not read"


@dataclass(frozen=True)
class OneLanguageExtractor:
    """An extractor that knows one language, kept from reading others.

    A review surely in another language is skipped with that reason, so that it does not pass for
    one that mentions nothing; one whose language is not determined is read.
    """

    reader: Extractor
    language: str = "en"

    @property
    def revision(self) -> str:
        """Changes with the reader and with what tells languages apart."""
        return f"{self.reader.revision}-{self.language}{version('py3langid')}"

    def extract(
        self,
        reviews: Sequence[tuple[str, str]],
        *,
        attributes: Sequence[AttributeLike],
        embed: Embed,
    ) -> Extraction:
        """What the reader finds in reviews of its language; the others are in `skipped`."""
        languages = identify_languages([text for _, text in reviews])
        is_read = [language in (self.language, UNKNOWN) for language in languages]
        asked = [review for review, is_in in zip(reviews, is_read, strict=True) if is_in]
        found = self.reader.extract(asked, attributes=attributes, embed=embed)
        refused = [
            {"review_id": review_id, "reason": name_refusal(language)}
            for (review_id, _), language, is_in in zip(reviews, languages, is_read, strict=True)
            if not is_in
        ]
        skipped = pl.concat([found.skipped, pl.DataFrame(refused, schema=found.skipped.schema)])
        return replace(found, skipped=skipped, languages=tuple(languages))
