"""The graph of a panel: tiers are time, and what is true in the world is drawn."""

import numpy as np
import polars as pl
import pytest

from tasks.effects.graph.panel import prepare_columns, search_panel
from tests.effects.worlds import TRUTH, make_world


def make_panel(seed=1, rows=3000):
    """x1 and x2 of the world as controls; both cause every mention and the rating."""
    frame = make_world(np.random.default_rng(seed), rows=rows).frame()
    return frame.rename({"x1": "c__taste", "x2": "c__quality"}).with_columns(
        c__day=pl.Series(np.arange(rows, dtype=float)), c__brand=pl.lit("acme")
    )


def search(panel):
    return search_panel(
        panel, source="shop", attributes=list(TRUTH), outcome="rating", bootstraps=5,
        max_rows=3000, rng=np.random.default_rng(0),
    )  # fmt: skip


def test_tiers_are_what_came_first_then_what_was_said_then_the_rating():
    frame, tiers = prepare_columns(make_panel(), list(TRUTH), "rating")
    assert tiers == [["quality", "taste"], list(TRUTH), ["rating"]]
    assert set(frame["sound"].unique()) == {-1.0, 0.0, 1.0}


def test_the_graph_finds_what_causes_the_rating_and_what_to_adjust_for():
    (found,) = search(make_panel())
    arrows = {
        (edge["source"], edge["target"]) for edge in found["edges"] if edge["kind"] == "directed"
    }
    assert {("sound", "rating"), ("taste", "rating"), ("quality", "rating")} <= arrows
    assert ("shipping", "rating") not in arrows
    assert not any(source == "rating" for source, _ in arrows)
    by_name = {one["treatment"]: one for one in found["adjustments"]}
    assert by_name["sound"]["is_identified"]
    assert set(by_name["sound"]["adjust_for"]) == {"taste", "quality"}
    assert found["svg_wide"].startswith("<svg")
    assert "sound" in found["svg_narrow"]


def test_too_little_to_search_gives_no_graph():
    assert search(make_panel(rows=100)) == []
    assert search(make_panel().head(0)) == []


@pytest.mark.parametrize("name", ["rating", "user_id", "taste"])
def test_an_attribute_that_is_called_as_another_column_gets_a_prime(name):
    sides = {f"sound__{side}": f"{name}__{side}" for side in ("positive", "negative")}
    panel = make_panel(rows=600).rename(sides)
    names = [name if one == "sound" else one for one in TRUTH]
    frame, tiers = prepare_columns(panel, names, "rating")
    assert f"{name}'" in tiers[1]
    assert {*tiers[0], *tiers[1], "user_id", "rating"} == set(frame.columns)
    (found,) = search_panel(
        panel, source="shop", attributes=names, outcome="rating", bootstraps=0, max_rows=600,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert f"{name}'" in {one["treatment"] for one in found["adjustments"]}
