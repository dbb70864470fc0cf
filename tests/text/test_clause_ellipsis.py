"""Several attributes in one clause: what they share, what parts them, and predicates left out."""

import pytest

from tasks.text.clause_cut import spell_cuts
from tasks.text.clause_ellipsis import is_elliptic, spell_ellipsis, turns_against
from tasks.text.segments import find_gapped
from tests.text.reading import Embed, read_opinions

SHARED = [
    ("Delicious but overpriced food.", "restaurant", {"food": 1, "price": -1}),
    ("Fresh but expensive steak.", "restaurant", {"food": 1, "price": -1}),
    ("Slow but friendly service.", "restaurant", {}),
    ("Spacious but dirty room.", "hotel", {}),
    ("Comfortable yet tinny.", "headphones", {"comfort": 1, "sound": -1}),
    ("Great food and service, awful parking.", "restaurant", {"food": 1, "service": 1}),
    ("The food and the service were both terrible.", "restaurant", {"food": -1, "service": -1}),
    ("Great location and staff, shabby rooms.", "hotel", {"location": 1, "staff": 1, "room": -1}),
    ("Nothing too memorable, but nice decor.", "restaurant", {"ambiance": 1}),
    ("Overpriced food.", "restaurant", {"food": -1, "price": -1}),
]
LEFT_OUT = [
    ("Food was amazing service not so much.", "restaurant", {"food": 1, "service": -1}),
    ("Friendly staff, but the food, not so much.", "restaurant", {"service": 1, "food": -1}),
    ("Wonderful location, the staff less so.", "hotel", {"location": 1, "staff": -1}),
    ("Beautiful writing, the plot not so much.", "book", {"writing": 1, "plot": -1}),
    (
        "Neither the decor nor the food impressed us, but the waiter did.",
        "restaurant",
        {"ambiance": -1, "food": -1, "service": 1},
    ),
    ("The food was just ok, but the service was not.", "restaurant", {"food": -1, "service": -1}),
    (
        "The atmosphere was wonderful, however the service and food were not.",
        "restaurant",
        {"ambiance": 1, "service": -1, "food": -1},
    ),
    (
        "The food was, on the whole, bland, and the service was lovely.",
        "restaurant",
        {"food": -1, "service": 1},
    ),
    ("Slow service. The food was also wonderful.", "restaurant", {"service": -1, "food": 1}),
    ("Good food let down by slow service.", "restaurant", {"food": 1, "service": -1}),
    ("Our dinner was marred by slow service.", "restaurant", {"food": -1, "service": -1}),
]


@pytest.mark.parametrize(("text", "field", "expected"), [*SHARED, *LEFT_OUT])
def test_every_attribute_of_a_clause_has_its_own_opinion(
    text: str, field: str, expected: dict[str, int], embed: Embed
) -> None:
    assert read_opinions(text, field, embed) == expected


def test_a_gapped_part_begins_with_its_noun() -> None:
    assert find_gapped("food was amazing service not so much".split()) == (3, 4)
    assert find_gapped("great food the service was less so".split()) == (2, 5)
    assert find_gapped("i liked it not so much".split()) is None
    assert find_gapped("not so much".split()) is None


def test_an_elliptic_clause_ends_with_its_auxiliary() -> None:
    assert is_elliptic("the waiter did".split(), frozenset({1}), is_after_another=False)
    assert not is_elliptic("the waiter did well".split(), frozenset({1}), is_after_another=False)
    assert not is_elliptic("what the food was".split(), frozenset({2}), is_after_another=False)
    assert is_elliptic("these don't".split(), frozenset(), is_after_another=True)
    assert not is_elliptic("these don't".split(), frozenset(), is_after_another=False)


def test_one_negation_of_two_turns_the_predicate_round() -> None:
    assert turns_against("the food was good".split(), "the service wasn't".split())
    assert not turns_against("the food wasn't good".split(), "the service wasn't either".split())
    assert not turns_against("the food was good".split(), "the service was too".split())


def test_patterns_are_part_of_the_revision() -> None:
    assert "mine|ours" in spell_ellipsis()
    assert "spoilt" in spell_cuts()
