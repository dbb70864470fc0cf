"""Suggested edges: strictly read, marked, and never stronger than the data."""

import math

import numpy as np
import polars as pl
import pytest

from tasks.effects.graph.data import assign_tiers
from tasks.effects.graph.discover import discover_graph
from tasks.effects.graph.prior import (
    CONTENT_FREE,
    EdgePrior,
    SuggestedEdge,
    read_prior,
    score_prior,
)
from tasks.platform.errors import ConfigError, EstimationError

ROLES = assign_tiers([], [["age", "income"], ["price"], ["clicks"]])


def make_document(*edges, who="a model"):
    return {"suggested_by": who, "edges": list(edges)}


def make_edge(source, target, confidence=0.8, reason="because"):
    return {"source": source, "target": target, "confidence": confidence, "reason": reason}


def test_a_prior_is_read_with_its_words_made_safe():
    hostile = "line\n\x1b[31mred\u202e" + "x" * 1_000
    prior = read_prior(make_document(make_edge("age", "clicks", reason=hostile)), ROLES)
    (edge,) = prior.edges
    assert edge.reason.startswith("line [31mredxxx")
    assert len(edge.reason) == 300


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "keys suggested_by and edges"),
        ({"edges": []}, "keys suggested_by and edges"),
        ({**make_document(), "extra": 1}, "no other"),
        (make_document(who=" "), "who suggests"),
        ({"suggested_by": "m", "edges": "age"}, "must be a list"),
        (make_document("age"), "must be an object"),
        (make_document({**make_edge("age", "price"), "weight": 1}), "no other key"),
        (make_document(make_edge("age", "prize")), "'prize', which is no column"),
        (make_document(make_edge("age", 3)), "target of edge 1 of the prior must be text"),
        (make_document(make_edge("age", "age")), "to itself"),
        (make_document(make_edge("clicks", "age")), r"clicks \(tier 3\) back to age \(tier 1\)"),
        (make_document(make_edge("age", "price", 1.2)), "not in \\[0, 1\\]"),
        (make_document(make_edge("age", "price", math.nan)), "not in \\[0, 1\\]"),
        (make_document(make_edge("age", "price", True)), "must be a number"),
        (make_document(make_edge("age", "income"), make_edge("income", "age")), "a second time"),
    ],
)
def test_what_is_wrong_with_a_prior_is_said(document, words):
    with pytest.raises(ConfigError, match=words):
        read_prior(document, ROLES)


def make_frame(n=600):
    rng = np.random.default_rng(0)
    a = rng.normal(size=n)
    b = a + rng.normal(size=n)
    return pl.DataFrame({"a": a, "b": b, "c": rng.normal(size=n), "flat": np.ones(n)})


def find(*priors):
    return discover_graph(
        make_frame(), tiers=[["a"], ["b", "c", "flat"]], bootstraps=8, priors=priors,
        rng=np.random.default_rng(0),
    )  # fmt: skip


def test_suggestions_are_marked_and_leave_the_datas_edges_alone():
    plain = find()
    prior = EdgePrior(
        "a model", (SuggestedEdge("a", "b", 0.9), SuggestedEdge("b", "c", 0.7), SuggestedEdge("a", "flat", 0.9))
    )  # fmt: skip
    graph = find(prior)
    assert {edge.show(): edge.origin for edge in graph.edges} == {
        "a --> b": "both",
        "b --> c": "prior",
    }
    assert graph.find_edge("a", "b").stability == plain.find_edge("a", "b").stability
    assert graph.find_edge("b", "c").suggestion.suggested_by == "a model"
    assert any("a --> flat; left out" in note for note in graph.notes)


def test_a_suggestion_against_the_data_is_noted_and_not_followed():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 800))
    frame = pl.DataFrame({"a": a, "b": b, "c": a + b + rng.normal(size=800)})
    prior = EdgePrior("m", (SuggestedEdge("c", "a", 1.0),))
    graph = discover_graph(
        frame, columns=["a", "b", "c"], bootstraps=5, priors=[prior], rng=np.random.default_rng(0)
    )
    edge = graph.find_edge("a", "c")
    assert (edge.show(), edge.origin, edge.suggestion) == ("a --> c", "data", None)
    assert any("the data show a --> c, which was kept" in note for note in graph.notes)


def test_of_two_suggestions_the_more_confident_is_kept():
    low = EdgePrior("low", (SuggestedEdge("b", "c", 0.6),))
    high = EdgePrior("high", (SuggestedEdge("c", "b", 0.9),))
    edge = find(low, high).find_edge("b", "c")
    assert (edge.source, edge.suggestion.suggested_by) == ("c", "high")


def test_a_prior_made_in_code_is_checked_as_well():
    with pytest.raises(ConfigError, match="back to a"):
        find(EdgePrior("m", (SuggestedEdge("b", "a", 0.6),)))


class ToyScorer:
    """Says yes to everything with log odds 3, and more to pairs it knows."""

    def __init__(self, known):
        self.known, self.prompts = known, []

    def __call__(self, prompt, continuations):
        assert continuations == (" yes", " no")
        self.prompts.append(prompt)
        odds = 3.0 + sum(
            extra
            for pair, extra in self.known.items()
            if "{} directly cause {}?".format(*pair) in prompt
        )
        return [-1.0, -1.0 - odds]


def test_a_scorer_that_likes_to_say_yes_is_not_believed_for_it():
    scorer = ToyScorer({("age", "income"): 2.0, ("income", "age"): 1.0, ("price", "clicks"): -1.0})
    prior = score_prior(scorer, ROLES, suggested_by="toy")
    assert [(e.source, e.target) for e in prior.edges] == [("age", "income")]
    assert prior.edges[0].confidence == pytest.approx(1 / (1 + math.exp(-2)))


def test_no_pair_against_the_tiers_is_asked_about():
    scorer = ToyScorer({})
    score_prior(scorer, ROLES, suggested_by="toy", descriptions={"age": "years of life"})
    asked = [prompt for prompt in scorer.prompts if CONTENT_FREE not in prompt]
    assert len(asked) == 2 + 2 * 2 + 1
    assert not any(
        "clicks directly" in prompt or "price directly cause income" in prompt for prompt in asked
    )
    assert any("years of life directly cause price" in prompt for prompt in asked)


def test_what_a_scorer_suggests_can_be_merged():
    scorer = ToyScorer({("b", "c"): 4.0})
    prior = score_prior(scorer, assign_tiers([], [["a"], ["b", "c", "flat"]]), suggested_by="toy")
    assert find(prior).find_edge("b", "c").origin == "prior"


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(EstimationError, match="finite log-likelihoods"):
        score_prior(lambda prompt, answers: [math.nan, 0.0], ROLES, suggested_by="toy")
    with pytest.raises(EstimationError, match="finite log-likelihoods"):
        score_prior(lambda prompt, answers: [0.0], ROLES, suggested_by="toy")
