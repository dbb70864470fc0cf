"""Attributes proposed from a corpus: what reviews judge, and the same when asked again."""

import json
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tasks.platform.settings import AttributeSettings, load_settings
from tasks.text.discover import (
    Proposal,
    discover_attributes,
    group_phrases,
    weigh_distances,
    write_toml,
)
from tests.text.toy import embed

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
MIN_OVERLAP = 0.75
"""Share of the names of one half-hearted change (5% of reviews) that stay; measured .8 to 1."""


def corpus(n: int = 200, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    judged = ("battery", "screen", "keyboard")
    texts = []
    for number in range(n):
        thing = judged[min(int(rng.integers(6)) // 2, 2)]
        said = rng.choice(("great", "awful", "really lovely"))
        texts.append(
            f"I got parcel {number} and opened the drawer quickly. The {thing} was {said}."
        )
    return texts


def names(proposals: Sequence[Proposal]) -> set[str]:
    return {one.name for one in proposals}


def test_what_reviews_judge_is_proposed_and_what_they_only_name_is_not() -> None:
    found = discover_attributes(corpus(), embed)
    assert names(found) == {"battery", "screen", "keyboard"}
    assert all(one.seeds[0] == one.name for one in found)


def test_counts_are_of_reviews_that_name_it() -> None:
    texts = corpus()
    found = {one.name: one.n_reviews for one in discover_attributes(texts, embed)}
    assert found == {name: sum(name in text for text in texts) for name in found}


def test_examples_are_clauses_as_written() -> None:
    texts = corpus()
    for one in discover_attributes(texts, embed):
        assert one.examples
        assert all(any(example in text for text in texts) for example in one.examples)


def test_the_order_of_reviews_and_a_second_run_change_nothing() -> None:
    texts = corpus()
    assert discover_attributes(texts, embed) == discover_attributes(texts[::-1], embed)


def test_most_limits_what_is_proposed_to_the_most_named() -> None:
    every = discover_attributes(corpus(), embed)
    assert discover_attributes(corpus(), embed, most=2) == every[:2]
    assert every[0].n_reviews == max(one.n_reviews for one in every)


def test_singular_and_plural_are_one() -> None:
    texts = corpus() + [text.replace("battery was", "batteries were") for text in corpus(seed=1)]
    found = {one.name: one for one in discover_attributes(texts, embed)}
    assert "batteries" not in found
    assert found["battery"].n_reviews > 60


def test_names_of_two_words_are_found_first_in_a_clause_and_where_the_second_is_plain() -> None:
    said = (
        "Customer service was {}.",
        "The battery life is {}.",
        "Waiting time was {}.",
        "Life is {}.",
    )
    plain = ("We came on a Monday.", "I ordered two of them.", "It stands in the hall.")
    texts = [
        said[n % 4].format(("great", "awful", "superb")[n % 3])
        + f" This is order {n}. "
        + " ".join(plain)
        for n in range(300)
    ]
    found = names(discover_attributes(texts, embed))
    assert {"customer_service", "battery_life", "waiting_time"} <= found
    assert not {"life", "time", "battery", "wife"} & found


@pytest.mark.parametrize("texts", [[], [""], ["\U0001f600"] * 50, ["x " * 1000], ["ok"] * 100])
def test_texts_that_judge_nothing_give_no_proposal(texts: list[str]) -> None:
    assert discover_attributes(texts, embed) == ()


def test_near_phrases_are_grouped_and_far_ones_are_not() -> None:
    vectors = np.array([[1, 0], [0.9, 0.436], [0, 1]], dtype=np.float32)
    assert sorted(map(sorted, group_phrases(vectors[:2]))) == [[0, 1]]
    far = np.array([[1, 0, 0], [0.9, 0.436, 0], [0, 0, 1]], dtype=np.float32)
    assert sorted(map(sorted, group_phrases(far))) == [[0, 1], [2]]


def test_the_proposal_loads_as_settings(tmp_path: Path) -> None:
    strange = Proposal("value", ('so "cheap"', "caf\u00e9\\x"), 3, ('a "quote"\n# and more',))
    proposals = (*discover_attributes(corpus(), embed), strange)
    path = tmp_path / "whyrec.toml"
    path.write_text(write_toml(proposals, n_texts=200))
    loaded = load_settings(path).extract.attributes
    assert loaded == tuple(AttributeSettings(name=one.name, seeds=one.seeds) for one in proposals)
    assert tomllib.loads(path.read_text())


def test_real_restaurant_reviews_name_their_aspects_and_a_small_change_moves_little(
    real_data: Path, embed: Embed
) -> None:
    path = real_data / "cebab_observational" / "reviews.jsonl"
    texts = [json.loads(line)["description"] for line in path.read_text().splitlines()]
    found = discover_attributes(texts, embed)
    seeds = [{*one.name.split("_"), *one.seeds} for one in found]
    known = ({"food"}, {"service"}, {"ambiance", "atmosphere"}, {"noise"}, {"price", "prices"})
    assert sum(any(aspect & words for words in seeds) for aspect in known) >= 4
    for seed in range(3):
        rng = np.random.default_rng(seed)
        kept = [text for text in texts if rng.random() > 0.05]
        again = names(discover_attributes(kept, embed))
        assert len(again & names(found)) >= MIN_OVERLAP * len(found)


def test_what_stands_where_no_noun_does_is_not_proposed() -> None:
    texts = [f"{number}. What arrived was great. The lamp was great." for number in range(30)]
    assert names(discover_attributes(texts, embed)) == {"lamp"}


def test_words_of_two_concepts_are_kept_apart_and_of_one_drawn_together() -> None:
    phrases = ["sound", "tone", "shipping", "zeppelin"]
    pulls = weigh_distances(phrases, np.array([0.2, 0.01, 0.1, 0.01]))
    assert pulls[0, 1] < 1 < pulls[0, 2]
    assert pulls[0, 3] == pulls[1, 3] == 1
    near = np.array([[1, 0], [0.9, 0.436], [0.95, 0.312]], dtype=np.float32)
    groups = group_phrases(near, pulls[:3, :3])
    assert sorted(map(sorted, groups)) == [[0, 1], [2]]


def test_two_phrases_that_many_reviews_name_are_not_one_for_being_akin() -> None:
    akin = np.array([[1, 0], [0.5, 0.866]], dtype=np.float32)
    rare = weigh_distances(["zeppelin", "airship"], np.array([0.01, 0.3]))
    frequent = weigh_distances(["zeppelin", "airship"], np.array([0.2, 0.3]))
    assert len(group_phrases(akin, rare)) == 1
    assert len(group_phrases(akin, frequent)) == 2


def test_verbs_in_ing_are_no_attributes() -> None:
    texts = [f"The seating was great. I was looking great at number {n}." for n in range(60)]
    seeds = {seed for one in discover_attributes(texts, embed) for seed in one.seeds}
    assert "seating" in seeds
    assert "looking" not in seeds
