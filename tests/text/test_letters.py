"""Letters that only look different are read as what they look like, at their own places."""

from tasks.text.language import identify_languages
from tasks.text.letters import drop_widthless, fold_letters
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
