"""What attributes mean in words."""

import pytest

from tasks.platform.errors import ConfigError
from tasks.platform.settings import default_attributes
from tasks.text.concepts import (
    check_names,
    describe_names,
    find_concept,
    hash_data,
    inflect,
    inflect_word,
    load_concepts,
    plan_targets,
)
from tasks.text.extract import Attribute, name_attributes


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("price", "prices"), ("price", "priced"), ("price", "pricing"), ("battery", "batteries"),
        ("break", "broke"), ("broke", "broken"), ("fit", "fitting"), ("ship", "shipped"),
        ("box", "boxes"), ("wait", "waiting"), ("clip", "clipped"), ("carry", "carried"),
    ],
)  # fmt: skip
def test_words_are_inflected(word: str, form: str) -> None:
    assert form in inflect_word(word)


def test_words_that_only_look_inflected_are_left_alone() -> None:
    assert inflect_word("setting") == ("setting", "settings")
    assert {"dining", "dined"}.isdisjoint(inflect_word("din"))
    assert {"shed", "feed", "seed"}.isdisjoint({*inflect_word("she"), *inflect_word("fee")})
    assert "plugged" in inflect_word("plug")
    assert "seated" not in inflect_word("seating")
    assert inflect_word("好") == ("好",)


def test_phrases_are_inflected_at_both_ends() -> None:
    assert {("fell", "apart"), ("falls", "apart"), ("falling", "apart")} <= inflect("fall apart")
    assert ("well", "made") in inflect("well-made")
    assert inflect("  ") == set()


def test_names_plurals_and_aliases_find_their_concept() -> None:
    assert find_concept("food") == find_concept("Foods") == find_concept("meal") == "food"
    assert find_concept("battery life") == find_concept("battery_life") == "battery"
    assert find_concept("ambience") == "ambiance"
    assert find_concept("zeppelin") is None


def test_a_part_counts_as_its_whole_unless_it_is_asked_for_itself() -> None:
    (service,) = plan_targets([Attribute("service")])[:1]
    assert ("waitress",) in service.terms
    names = [t.name for t in plan_targets([Attribute("service")]) if not t.is_requested]
    assert not {"service", "staff", "wait_time"} & set(names)
    targets = plan_targets([Attribute("ambiance"), Attribute("noise")])
    assert ("deafening",) in targets[1].terms
    assert ("deafening",) not in targets[0].terms
    assert ("deafening",) in plan_targets([Attribute("ambiance")])[0].terms


def test_an_unknown_name_goes_by_itself_and_by_its_seeds() -> None:
    (plain,) = plan_targets(name_attributes(["zeppelin rides"]))[:1]
    assert plain.name == "zeppelin_rides"
    assert ("zeppelin", "rides") in plain.terms
    assert len(plain.examples) >= 3
    (seeded,) = plan_targets([Attribute("x", ("airship",))])[:1]
    assert ("airships",) in seeded.terms


def test_names_are_cleaned_and_distinct() -> None:
    assert name_attributes([" Food", "food", "battery  life", ""]) == (
        Attribute("food"),
        Attribute("battery_life"),
    )


def test_every_default_attribute_has_a_concept_and_keeps_its_seeds() -> None:
    attributes = default_attributes()
    for attribute, target in zip(attributes, plan_targets(attributes), strict=False):
        assert find_concept(attribute.name) == attribute.name
        assert all(inflect(seed) <= target.terms for seed in attribute.seeds)


def test_the_thesaurus_is_whole() -> None:
    concepts = load_concepts()
    known = [name for c in concepts.values() for name in (c.name, *c.aliases)]
    assert len(known) == len(set(known))
    for concept in concepts.values():
        assert not concept.part_of or concept.part_of in concepts
        assert concept.good or concept.plain
        assert not set(concept.good) & set(concept.bad)
    assert len(hash_data()) == 16


@pytest.mark.parametrize(
    ("narrow", "wide", "word"),
    [
        ("bed", "room", "bed"),
        ("parking", "location", "parking"),
        ("wine", "drinks", "wine"),
        ("warranty", "customer_support", "warranty"),
        ("packaging", "shipping", "packaging"),
        ("bluetooth", "compatibility", "bluetooth"),
    ],
)
def test_what_belongs_to_a_thing_is_not_that_thing(narrow: str, wide: str, word: str) -> None:
    assert find_concept(narrow) is None
    assert find_concept(wide) == wide
    alone = plan_targets([Attribute(narrow)])[0]
    assert alone.terms == inflect(word)
    whole = plan_targets([Attribute(wide)])[0]
    assert (word,) in whole.terms
    parted = plan_targets([Attribute(wide), Attribute(narrow)])
    assert (word,) not in parted[0].terms
    assert (word,) in parted[1].terms
    rivals = plan_targets([Attribute("food"), Attribute(narrow)])[2:]
    assert not any((word,) in rival.terms for rival in rivals)


def test_two_names_of_one_thing_are_refused() -> None:
    check_names(name_attributes(["price", "food", "bed", "room", "parking"]))
    with pytest.raises(ConfigError, match=r"price and cost are read as one thing \(price\)"):
        check_names(name_attributes(["price", "food", "cost"]))


def test_names_that_are_read_as_another_or_as_nothing_else_are_said() -> None:
    assert describe_names(name_attributes(["price", "Prices", "battery"])) == []
    assert describe_names(name_attributes(["flavor"])) == ["flavor is read as taste"]
    (note,) = describe_names(name_attributes(["honesty"]))
    assert note.startswith("honesty is not in the thesaurus")
    assert describe_names([Attribute("honesty", ("honest", "lied"))]) == []
