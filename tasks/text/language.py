"""In which language a text is written: a small model that comes inside its package, no download.

py3langid (BSD-3-Clause), a naive Bayes over bytes of 1 to 4 letters; Lui and Baldwin, langid.py: An
Off-the-shelf Language Identification Tool, ACL 2012.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any, Final

import polars as pl

from tasks.text.concepts import inflect, load_concepts
from tasks.text.extract import AttributeLike, Embed, Extraction, Extractor
from tasks.text.letters import compose_letters, fold_letters
from tasks.text.polarity import load_lexicon
from tasks.text.segments import blank_markup

UNKNOWN: Final = "und"
"""The code of ISO 639-2 for a language that is not determined."""
MIN_SURE: Final = 0.5
_SURE_ALONE: Final = 0.95
_SURE_BESIDE: Final = 0.7
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
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
        code, sureness = identifier.classify(_read_start(text))
        is_sure = sureness >= MIN_SURE and code != _NO_LANGUAGE
        found.append(str(code) if is_sure else UNKNOWN)
    return found


def _read_start(text: str) -> str:
    """The start of a text as a reader sees it: its letters, and no markup."""
    return compose_letters(blank_markup(fold_letters(text[:_READ_CHARS])))


@cache
def _load_english() -> frozenset[str]:
    """Words that English reviews are made of: function words, praise and blame, the thesaurus."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    phrases: list[str] = []
    for concept in load_concepts().values():
        named = (concept.name.replace("_", " "), *concept.aliases)
        terms = (*named, *concept.terms, *concept.hints, *concept.good_words, *concept.bad_words)
        phrases += [" ".join(form) for term in terms for form in inflect(term.replace("_", " "))]
        phrases += [*concept.good, *concept.bad, *concept.plain]
    words = {word for phrase in phrases for word in _WORD.findall(phrase.lower())}
    return frozenset(words | load_lexicon().words | ENGLISH_STOP_WORDS)


def looks_english(text: str) -> bool:
    """Whether a text whose language is not determined may be taken for English.

    Where most of its words are English ones, or half of them and the identifier does not doubt it, or
    the identifier is all but sure by itself; English and any other language are a toss-up beforehand.
    """
    start = _read_start(text)
    words = _WORD.findall(start.lower())
    known = sum(word in _load_english() for word in words)
    if not words or 2 * known > len(words):
        return True
    identifier = _open_identifier()
    chance = float(dict(identifier.rank(start)).get("en", 0.0))
    odds = chance * (len(identifier.labels) - 1)
    belief = odds / (odds + 1 - chance)
    return belief >= _SURE_ALONE or (2 * known == len(words) and belief >= _SURE_BESIDE)


def name_refusal(language: str) -> str:
    """Why a review in a language that an extractor does not read is skipped."""
    if language == UNKNOWN:
        return "its language cannot be told, and its words are mostly not English"
    return f"language {language} is not read"


@dataclass(frozen=True)
class OneLanguageExtractor:
    """An extractor that knows one language, kept from reading others.

    A review in another language is skipped with that reason, so that it does not pass for one that
    mentions nothing, or for praise because of one word that looks familiar ("Slechte service"). Of
    those whose language is not determined, an English one reads what looks English.
    """

    reader: Extractor
    language: str = "en"

    @property
    def revision(self) -> str:
        """Changes with the reader and with what tells languages apart."""
        return f"{self.reader.revision}-{self.language}{version('py3langid')}"

    def _may_read(self, text: str) -> bool:
        return self.language != "en" or looks_english(text)

    def extract(
        self,
        reviews: Sequence[tuple[str, str]],
        *,
        attributes: Sequence[AttributeLike],
        embed: Embed,
    ) -> Extraction:
        """What the reader finds in reviews of its language; the others are in `skipped`."""
        languages = identify_languages([text for _, text in reviews])
        is_read = [
            language == self.language or (language == UNKNOWN and self._may_read(text))
            for (_, text), language in zip(reviews, languages, strict=True)
        ]
        asked = [review for review, is_in in zip(reviews, is_read, strict=True) if is_in]
        found = self.reader.extract(asked, attributes=attributes, embed=embed)
        refused = [
            {"review_id": review_id, "reason": name_refusal(language)}
            for (review_id, _), language, is_in in zip(reviews, languages, is_read, strict=True)
            if not is_in
        ]
        skipped = pl.concat([found.skipped, pl.DataFrame(refused, schema=found.skipped.schema)])
        return replace(found, skipped=skipped, languages=tuple(languages))
