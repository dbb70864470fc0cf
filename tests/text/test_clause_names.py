"""Names that judge what they name, names of people in a story, and words of a field in common use."""

import pytest

from tests.text.reading import Embed, read_opinions

JUDGING_NAMES = [
    ("Sturdy, made of metal and not plastic.", "tool", {"quality": 1, "durability": 1}),
    ("These are delicious, with just enough crunch.", "snack", {"taste": 1, "texture": 1}),
    ("It took forever to get the food.", "restaurant", {"service": -1}),
]
ROLES = [
    ("Our main character, Hugo, moves to Rome.", "film", {}),
    ("Her character never existed.", "film", {}),
    ("His character is wonderful.", "film", {"acting": 1}),
    ("The actors never come alive.", "film", {"acting": -1}),
]
FIELD_WORDS = [
    ("They are crunchy.", "snack", {"texture": 1}),
    ("The crackers were soggy.", "snack", {"texture": -1}),
    ("It is far too salty.", "snack", {"taste": -1}),
    ("The healthiest oil in the shop.", "snack", {"health": 1}),
    ("Sugar free and low in fat.", "snack", {"health": 1}),
    ("The fee is outrageous.", "tool", {"price": -1}),
    ("What a deal for two of them!", "tool", {"price": 1}),
    ("The lid is really cute.", "tool", {"design": 1}),
    ("The CGI is superb.", "film", {"visuals": 1}),
    ("He is miscast.", "film", {"acting": -1}),
    ("A film that is very well paced.", "film", {"plot": 1}),
]


@pytest.mark.parametrize(("text", "field", "expected"), JUDGING_NAMES)
def test_a_name_that_judges_is_read_beside_what_the_clause_means(
    text: str, field: str, expected: dict[str, int], embed: Embed
) -> None:
    assert read_opinions(text, field, embed) == expected


@pytest.mark.parametrize(("text", "field", "expected"), ROLES)
def test_what_happens_to_somebody_in_a_story_is_no_opinion(
    text: str, field: str, expected: dict[str, int], embed: Embed
) -> None:
    assert read_opinions(text, field, embed) == expected


@pytest.mark.parametrize(("text", "field", "expected"), FIELD_WORDS)
def test_words_of_a_field_are_known(
    text: str, field: str, expected: dict[str, int], embed: Embed
) -> None:
    assert read_opinions(text, field, embed) == expected
