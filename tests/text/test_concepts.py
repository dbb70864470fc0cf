"""What attributes mean in words."""

import pytest

from tasks.platform.settings import default_attributes
from tasks.text.concepts import (
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
