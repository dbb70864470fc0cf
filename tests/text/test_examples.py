"""Examples are sure, short, different from one another, and always the same."""

import polars as pl

from tasks.text.examples import pick_examples
from tasks.text.extract import EXTRACTION_SCHEMA

TEXTS = {
    "a": "It sounds great. I bought it in May.",
    "b": "It sounds great!",
    "c": "The tone is warm<br />and rich",
    "d": "Bad buzz everywhere.",
    "e": "Great.",
    "f": "The " + "very " * 80 + "clear sound of this thing pleases me.",
}


def make_frame() -> pl.DataFrame:
    def row(
        key: str, polarity: int, confidence: float, end: int | None = None
    ) -> tuple[object, ...]:
        stop = len(TEXTS[key]) if end is None else end
        return (key, "sound", True, polarity, confidence, 0, stop)

    rows = [
        row("a", 1, 0.9, 16),
        row("b", 1, 0.95),
        row("c", 1, 0.8),
        row("d", -1, 0.9),
        row("e", 1, 0.99),
        row("f", 1, 0.99),
        ("a", "price", False, 0, 0.0, None, None),
        ("gone", "sound", True, 1, 1.0, 0, 5),
    ]
    return pl.DataFrame(rows, schema=EXTRACTION_SCHEMA, orient="row")


def pick(frame: pl.DataFrame, polarity: int = 1, k: int = 2) -> list[str]:
    examples = pick_examples(frame, TEXTS, attribute="sound", polarity=polarity, k=k)
    for example in examples:
        assert 0 <= example.span_start < example.span_end <= len(TEXTS[example.review_id])
    return [example.sentence for example in examples]


def test_the_surest_sentence_comes_first_and_its_double_is_passed_over() -> None:
    assert pick(make_frame()) == ["It sounds great!", "The tone is warm and rich"]


def test_polarity_is_respected() -> None:
    assert pick(make_frame(), polarity=-1, k=5) == ["Bad buzz everywhere."]


def test_single_words_come_last_and_overlong_ones_never() -> None:
    assert pick(make_frame(), k=9)[-1] == "Great."
    assert not any(len(sentence) > 300 for sentence in pick(make_frame(), k=9))


def test_the_order_of_rows_does_not_matter() -> None:
    frame = make_frame()
    assert pick(frame.reverse(), k=9) == pick(frame, k=9)


def test_nothing_to_show_gives_no_examples() -> None:
    assert pick(make_frame().clear()) == []
    assert pick_examples(make_frame(), TEXTS, attribute="other", polarity=1, k=3) == []
    assert pick(make_frame(), k=0) == []
