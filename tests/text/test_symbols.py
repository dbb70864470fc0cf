"""Emoji, stars and signs behind a name are praise and blame."""

import pytest

from tasks.text.polarity import find_opinions, score_opinions
from tasks.text.segments import parse_text
from tasks.text.symbols import count_stars, load_symbols, read_signs


def score(text: str) -> float:
    forms = [word.form for word in parse_text(text).words]
    return score_opinions(find_opinions(forms, 0, len(forms)))


@pytest.mark.parametrize(
    "text",
    [
        "soup 👍",
        "soup 👍🏽",
        "soup ❤️",
        "soup 😍",
        "soup ✔",
        "soup ✅",
        "soup ⭐⭐⭐⭐⭐",
        "soup ★★★★☆",
        "soup ⭐️⭐️⭐️⭐️⭐️",
        "soup ++",
        "soup +",
    ],
)
def test_symbols_of_praise_are_praise(text: str) -> None:
    assert score(text) > 0


@pytest.mark.parametrize(
    "text",
    [
        "soup 👎",
        "soup 😡",
        "soup 🤮",
        "soup 💩",
        "soup ✘",
        "soup ❌",
        "soup ⭐",
        "soup ★☆☆☆☆",
        "soup ---",
        "not good 👎",
    ],
)
def test_symbols_of_blame_are_blame(text: str) -> None:
    assert score(text) < 0


@pytest.mark.parametrize("text", ["soup 🥩", "soup 😂", "soup ★★★☆☆", "C++ course", "soup - bread"])
def test_other_symbols_are_neither(text: str) -> None:
    assert score(text) == 0


def test_each_sign_of_a_line_is_read_by_itself() -> None:
    assert read_signs("soup --- bread +++") == "soup 👎   bread 👍  "
    for text in (
        "A++ strings",
        "a good - but small - room",
        "well-made",
        "we had soup -\nand bread",
    ):
        assert read_signs(text) == text


def test_a_symbol_alone_goes_with_the_sentence_before() -> None:
    assert len({segment.sentence for segment in parse_text("We had soup. 👎👎").segments}) == 1


def test_symbols_are_single_characters_with_a_side() -> None:
    assert all(len(symbol) == 1 and valence for symbol, valence in load_symbols().items())
    assert count_stars("★★☆") == (2, 3)
    assert count_stars("soup") == (0, 0)
