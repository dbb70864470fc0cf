"""Example sentences for a person: sure, short, and not all the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from tasks.text.segments import blank_markup, parse_text, read_clause

_MIN_WORDS: Final = 3
_GOOD_CHARS: Final = 140
_MAX_CHARS: Final = 300
_MAX_LIKENESS: Final = 0.5
"""Share of common words (Jaccard) above which two sentences say the same."""
_CANDIDATES: Final = 400


@dataclass(frozen=True)
class Example:
    """A sentence as written (markup and line breaks blanked), and where it stands in its review."""

    review_id: str
    sentence: str
    span_start: int
    span_end: int
    confidence: float


def pick_examples(
    extractions: pl.DataFrame,
    texts: Mapping[str, str],
    *,
    attribute: str,
    polarity: int,
    k: int,
) -> list[Example]:
    """Up to `k` sentences that say `polarity` of `attribute`, the best first; always the same ones.

    `extractions` has `EXTRACTION_SCHEMA`, `texts` holds the reviews' texts by id (reviews without a
    text are passed over). Sentences of fewer than three words are only taken when others run out.
    """
    candidates = _list_candidates(extractions, texts, attribute, polarity)
    picked: list[Example] = []
    words: list[frozenset[str]] = []
    for example, forms in candidates:
        if len(picked) >= k:
            break
        if all(_likeness(forms, other) <= _MAX_LIKENESS for other in words):
            picked.append(example)
            words.append(forms)
    return picked


def _list_candidates(
    extractions: pl.DataFrame, texts: Mapping[str, str], attribute: str, polarity: int
) -> list[tuple[Example, frozenset[str]]]:
    rows = (
        extractions.filter(
            pl.col("is_mentioned"),
            pl.col("attribute") == attribute,
            pl.col("polarity") == polarity,
            pl.col("span_start").is_not_null(),
            (pl.col("span_end") - pl.col("span_start")) <= _MAX_CHARS,
        )
        .sort(["confidence", "review_id"], descending=[True, False])
        .head(_CANDIDATES)
        .select("review_id", "span_start", "span_end", "confidence")
        .iter_rows()
    )
    ranked = []
    for review_id, start, end, confidence in rows:
        if review_id not in texts:
            continue
        sentence = read_clause(blank_markup(texts[review_id]), start, end)
        forms = frozenset(word.form for word in parse_text(sentence).words)
        if forms:
            example = Example(review_id, sentence, start, end, confidence)
            ranked.append((_rank(example, len(forms)), example, forms))
    ranked.sort(key=lambda item: (-item[0], item[1].review_id))
    return [(example, forms) for _, example, forms in ranked]


def _rank(example: Example, n_words: int) -> float:
    """Confidence, less for what is long or too short to tell anything."""
    too_long = max(0.0, (len(example.sentence) - _GOOD_CHARS) / _GOOD_CHARS)
    too_short = 0.5 if n_words < _MIN_WORDS else 0.0
    return round(example.confidence - 0.3 * too_long - too_short, 4)


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)
