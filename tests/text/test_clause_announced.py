"""What is announced as the best or the worst is praise or blame of what is named for it."""

import pytest

from tasks.text.clause_stance import Told, take_stances
from tests.text.reading import Embed, read_opinions

WORST = [
    ("The only drawback is the price.", "tool", {"price": -1}),
    ("My one gripe with this kettle: the instructions.", "tool", {"ease_of_use": -1}),
    ("The only draw back, the colour.", "tool", {"design": -1}),
    ("The biggest negative is the sound.", "tool", {"sound": -1}),
    ("Main complaint, the shipping.", "snack", {"delivery": -1}),
    ("The only downside I can think of is, the service.", "restaurant", {"service": -1}),
]
BEST = [
    ("The best part: the dessert.", "restaurant", {"food": 1}),
    ("My favourite thing about this lamp: the design.", "tool", {"design": 1}),
    ("The highlight, though, was the soup.", "restaurant", {"food": 1}),
]
NEITHER = [
    ("No drawbacks to the sound.", "tool", {"sound": 1}),
    ("The only downside: the sound is great and the manual is bad.", "tool", {"sound": 1, "ease_of_use": -1}),
    ("The only problem we solved. They told us of the price.", "tool", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "field", "expected"), [*WORST, *BEST, *NEITHER])
def test_what_is_announced_is_read(
    text: str, field: str, expected: dict[str, int], embed: Embed
) -> None:
    assert read_opinions(text, field, embed) == expected


def announce(line: str) -> list[int]:
    """Headings of a line and of a part of its sentence after it."""
    told = [
        Told(tuple(words.split()), 0, {}, False, False, False, False)
        for words in (line, "the price")
    ]
    return [stance.heading for stance in take_stances(told)]


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("the only drawback", -1),
        ("my one small complaint", -1),
        ("but the biggest con for me", -1),
        ("the best thing about it", 1),
        ("my favorite feature", 1),
        ("the problem", 0),
        ("the best of the drawbacks it has", 0),
        ("my only complaint concerns him", 0),
    ],
)
def test_an_announcement_fills_its_part_of_the_sentence(line: str, heading: int) -> None:
    assert announce(line) == [heading, heading]
