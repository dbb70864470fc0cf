"""Text from outside is made harmless without being lost."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tasks.report.clean import ELLIPSIS, MAX_COMBINING, clean_tail, clean_text

ANY_TEXT = st.text(st.characters(), max_size=300)  # lone surrogates and controls included


@given(ANY_TEXT, st.integers(1, 200))
def test_nothing_that_reorders_or_breaks_text_survives(text: str, limit: int) -> None:
    cleaned = clean_text(text, limit=limit)
    categories = {unicodedata.category(c) for c in cleaned if c not in "\u200c\u200d"}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(cleaned) <= limit
    cleaned.encode("utf-8")


@given(ANY_TEXT, st.integers(1, 200))
def test_cleaning_twice_changes_nothing_more(text: str, limit: int) -> None:
    once = clean_text(text, limit=limit)
    assert clean_text(once, limit=limit) == once


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=80))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert clean_text(text, limit=100) == text


def test_direction_overrides_and_controls_are_shown_and_not_obeyed() -> None:
    assert clean_text("a\u202eb\x00c\x1bd\x85e", limit=20) == "a\ufffdb␀c␛d e"


def test_emoji_joined_to_a_family_stays_whole() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert clean_text(family, limit=20) == family


def test_stacked_marks_are_cut_to_what_scripts_need() -> None:
    cleaned = clean_text("e" + "\u0301" * 500, limit=1000)
    assert cleaned == "e" + "\u0301" * MAX_COMBINING


def test_what_is_cut_off_is_marked_with_an_ellipsis_on_the_right_side() -> None:
    assert clean_text("one two three", limit=8) == f"one two{ELLIPSIS}"
    assert clean_tail("one two three", limit=6) == f"{ELLIPSIS}three"


def test_a_megabyte_of_spaces_still_says_that_something_was_cut() -> None:
    assert clean_text("a" + " " * 1_000_000 + "b", limit=20) == f"a{ELLIPSIS}"
