"""What another item was like, or another person found, is no praise or blame of the item reviewed."""

import pytest

from tasks.text.clause_others import describes_compared, goes_on, is_of_another, spell_others
from tests.text.reading import Embed, read_opinions

OTHER_ITEMS = [
    ("My old headphones were uncomfortable, these are not.", "headphones", {"comfort": 1}),
    ("My previous pair had a great battery, this one doesn't.", "headphones", {"battery": -1}),
    ("Much clearer sound than my old set, which crackled.", "headphones", {"sound": 1}),
    ("The other brand I tried sounded muddy, but these sound clear.", "headphones", {"sound": 1}),
    ("Unlike my old pair, these are comfortable.", "headphones", {"comfort": 1}),
    ("My previous pair had a great battery.", "headphones", {}),
    ("My last pair of jeans was too tight; these aren't.", "clothes", {"size_fit": 1}),
    ("Better quality than the last shirt I bought, which was flimsy.", "clothes", {"quality": 1}),
    ("Unlike the place around the corner, the waiters are polite.", "restaurant", {"service": 1}),
    ("Unlike other places the service here is quick.", "restaurant", {"service": 1}),
    ("Other restaurants nearby have rude staff; this one doesn't.", "restaurant", {"service": 1}),
    ("The last place we tried had rude staff, this was different.", "restaurant", {"service": 1}),
    ("The hotel across the road has filthy rooms; ours was spotless.", "hotel", {"room": 1}),
    ("Unlike most hotels in town, the staff here are rude.", "hotel", {"staff": -1}),
    ("Unlike her first novel, which had a boring plot, this one is gripping.", "book", {"plot": 1}),
    ("His earlier books had wonderful characters; this doesn't.", "book", {"characters": -1}),
    ("The old version was slow, this one isn't.", "software", {"performance": 1}),
    ("My last dish was bland.", "restaurant", {"food": -1}),
    ("My last visit was lovely and the waiter was kind.", "restaurant", {"service": 1}),
    ("Other restaurant guests got rude waiters.", "restaurant", {"service": -1}),
]
OTHER_VIEWS = [
    ("My husband disliked the soup but I adored it.", "restaurant", {"food": 1}),
    ("Some say the music is too loud, but we found it quiet.", "restaurant", {"noise": 1}),
    ("The critics raved about the food. That was not our experience.", "restaurant", {"food": -1}),
    (
        "I had read that the waiters were arrogant; nothing could be further from the truth.",
        "restaurant",
        {"service": 1},
    ),
    ("Others complain about the battery, mine lasts all day.", "headphones", {"battery": 1}),
    ("My brother says the sound is awful, I disagree.", "headphones", {"sound": 1}),
    ("Reviewers said the rooms are dirty. Not in our case.", "hotel", {"room": 1}),
    ("Some users report that it crashes, but it never crashed.", "software", {"stability": 1}),
    ("Everyone hates the service, but ours was excellent.", "restaurant", {"service": 1}),
    ("We had been told that the waiters were rude. Far from it.", "restaurant", {"service": 1}),
    ("My friend's steak was dry, mine was delicious.", "restaurant", {"food": 1}),
    ("My book club hated the plot, but I loved it.", "book", {"plot": 1}),
]
OF_THE_WHOLE = [
    ("Shipped in a brown box and it is rubbish.", "headphones", {}),
    ("Shipped in a brown box and it won't turn on.", "headphones", {}),
    ("It was delivered by a courier and the whole thing is awful.", "clothes", {}),
    ("Delivered two weeks late and it is rubbish.", "headphones", {"delivery": -1}),
    ("Sound!", "headphones", {}),
    ("Noise.", "restaurant", {}),
]


@pytest.mark.parametrize(("text", "field", "expected"), [*OTHER_ITEMS, *OTHER_VIEWS, *OF_THE_WHOLE])
def test_only_what_the_writer_says_of_this_item_is_read(
    text: str, field: str, expected: dict[str, int], embed: Embed
) -> None:
    assert read_opinions(text, field, embed) == expected


def test_a_dish_is_part_of_this_item_though_it_was_the_last_one() -> None:
    assert is_of_another("my last pair was tinny".split(), frozenset())
    assert not is_of_another("my last dish was bland".split(), frozenset({2}))
    assert not is_of_another("my last visit was lovely".split(), frozenset())


def test_a_relative_clause_tells_of_what_the_item_is_held_against() -> None:
    assert describes_compared("better sound than my old ones".split(), "which were tinny".split())
    assert not describes_compared("worse than average".split(), "which is a shame".split())
    assert not describes_compared("the soup".split(), "which was cold".split())


def test_a_clause_goes_on_about_another_item_until_the_writer_s_own_is_named() -> None:
    before = "my old phone was slow".split()
    assert goes_on(before, "crashed a lot".split(), is_contrast=False)
    assert goes_on(before, "it was cheap".split(), is_contrast=True)
    assert not goes_on(before, "the new one is quick".split(), is_contrast=True)
    assert not goes_on(before, "these work".split(), is_contrast=False)
    assert not goes_on("unlike other phones".split(), "it is quick".split(), is_contrast=False)


def test_patterns_are_part_of_the_revision() -> None:
    assert "unlike" in spell_others()
