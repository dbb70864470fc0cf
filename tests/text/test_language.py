"""Languages are told apart, and what an extractor does not read is refused and counted."""

from pathlib import Path

import polars as pl
import pytest

from tasks.text.extract import EXTRACTION_SCHEMA, Attribute, Extraction
from tasks.text.language import UNKNOWN, OneLanguageExtractor, identify_languages, looks_english

MIN_ACCURACY = 0.9
"""Of the table: a few sentences of near relatives (Galician, Malay) are mixed up or left open."""


def read_sentences() -> list[tuple[str, str]]:
    """(language, sentence) of the table of short review sentences."""
    lines = Path(__file__).with_name("languages.tsv").read_text(encoding="utf-8").splitlines()
    return [(line.split("\t")[0], line.split("\t")[1]) for line in lines]


def test_languages_of_short_sentences_are_told_apart() -> None:
    table = read_sentences()
    assert len({language for language, _ in table}) >= 20
    found = identify_languages([text for _, text in table])
    right = [one == language for one, (language, _) in zip(found, table, strict=True)]
    assert sum(right) / len(right) >= MIN_ACCURACY


def test_english_is_never_taken_for_another_language_in_the_table() -> None:
    texts = [text for language, text in read_sentences() if language == "en"]
    assert set(identify_languages(texts)) <= {"en", UNKNOWN}


def test_what_is_no_language_is_undetermined() -> None:
    assert (
        identify_languages(["", "👍👍👍", "100%", "\x00", "\ud800", "B000123 42"]) == [UNKNOWN] * 6
    )


class _Reader:
    revision = "r"

    def extract(self, reviews, *, attributes, embed):  # type: ignore[no-untyped-def]
        rows = [
            {"review_id": name, "attribute": one.name, "is_mentioned": False, "polarity": 0,
             "confidence": 1.0, "span_start": None, "span_end": None}
            for name, _ in reviews for one in attributes
        ]  # fmt: skip
        return Extraction(pl.DataFrame(rows, schema=EXTRACTION_SCHEMA))


def test_reviews_in_another_language_are_skipped_by_name_and_unsure_ones_are_read() -> None:
    reviews = [
        ("a", "The food was great but the service was slow."),
        ("b", "Das Essen war hervorragend, aber die Bedienung war langsam."),
        ("c", "ok"),
        ("d", "料理はとても美味しかったです。"),
    ]
    found = OneLanguageExtractor(_Reader()).extract(
        reviews, attributes=[Attribute("food")], embed=lambda texts: None
    )
    assert found.frame["review_id"].to_list() == ["a", "c"]
    assert found.skipped.rows() == [
        ("b", "language de is not read"),
        ("d", "language ja is not read"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Slechte service", "Mauvais service", "Péssimo service", "Eten goed, service slecht",
        "A comida era boa", "Servis berbat", "Comida fria", "Pizza fria, servicio lento",
        "Maten var god men servicen var dålig", "Bad Service, nie wieder",
    ],
)  # fmt: skip
def test_short_texts_of_foreign_words_do_not_look_english(text: str) -> None:
    assert not looks_english(text)


@pytest.mark.parametrize(
    "text",
    [
        "ok", "Great service", "Nice", "Good product.", "Love it!!", "terrible food", "fast delivery",
        "Perfect gift card. kathy", "A+", "5/5", "", "👍👍", "works great.", "no problems",
        "Good stocking stuffer", "So freaking good",
    ],
)  # fmt: skip
def test_short_english_texts_look_english(text: str) -> None:
    assert looks_english(text)


def test_short_foreign_reviews_are_skipped_and_counted() -> None:
    reviews = [("a", "Slechte service"), ("b", "Terrible service")]
    found = OneLanguageExtractor(_Reader()).extract(
        reviews, attributes=[Attribute("service")], embed=lambda texts: None
    )
    assert found.frame["review_id"].to_list() == ["b"]
    ((name, reason),) = found.skipped.rows()
    assert name == "a"
    assert "cannot be told" in reason


@pytest.mark.parametrize("text", ["Don&#39;t buy", "Doesn&rsquo;t fit", "Haven&#39;t tried"])
def test_short_english_with_markup_is_read(text: str) -> None:
    found = OneLanguageExtractor(_Reader()).extract(
        [("a", text)], attributes=[Attribute("fit")], embed=lambda texts: None
    )
    assert found.skipped.rows() == []
