"""Letters that only look different are read as what they look like, at their own places."""

import pytest

from tasks.text.extract import Attribute
from tasks.text.language import identify_languages
from tasks.text.letters import drop_widthless, fold_letters
from tasks.text.llm_spans import SpanFinder
from tasks.text.segments import parse_text

WIDE = "Ｔｈｅ　ｆｏｏｄ　ｗａｓ　ｇｒｅａｔ"


def test_full_width_letters_are_latin_ones() -> None:
    assert fold_letters(WIDE) == "The food was great"
    assert [word.form for word in parse_text(WIDE).words] == ["the", "food", "was", "great"]
    assert identify_languages([WIDE, fold_letters(WIDE)])[0] != "ja"


def test_look_alikes_are_read_in_mixed_words_alone() -> None:
    assert fold_letters("The f\u043e\u043ed") == "The food"
    russian = "\u0435\u0434\u0430 food"
    assert fold_letters(russian) == russian


def test_marks_of_no_width_join_a_word_and_part_others() -> None:
    text = "The f\u200bood\u200b was gre\u200bat\u200b, \u200bwe\u00ad said"
    words = parse_text(text).words
    assert [word.form for word in words] == ["the", "food", "was", "great", "we", "said"]
    assert text[words[1].start : words[1].end] == "f\u200bood"
    assert drop_widthless(text[words[3].start : words[3].end]) == "great"


def test_accents_behind_their_letters_part_no_word() -> None:
    text = "The de\u0301cor of the cafe\u0301 was gre\u0301at"
    words = parse_text(text).words
    assert [word.form for word in words] == ["the", "décor", "of", "the", "café", "was", "gréat"]
    assert [text[word.start : word.end] for word in words] == text.split()
    assert [word.form for word in parse_text("foo\u0301\u0336d सेवा").words] == ["foód", "सेवा"]


@pytest.mark.parametrize("seed", ["d\u00e9cor", "de\u0301cor"])
@pytest.mark.parametrize("written", ["d\u00e9cor", "de\u0301cor"])
def test_seeds_are_found_however_their_accents_are_written(seed: str, written: str) -> None:
    text = f"We came at noon. The {written} was lovely, and we left."
    (start, end), *_ = SpanFinder([Attribute("look", (seed,))]).find(text, [0])
    assert text[start:end] == f"The {written} was lovely"
