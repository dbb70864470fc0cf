"""Headline effects by segment, as rows to publish."""

import numpy as np
import polars as pl

from tasks.effects.basis import BasisSpec, fit_basis
from tasks.effects.estimate import Method
from tasks.effects.panel import treatment_names
from tasks.effects.segments import choose_levels, split_panel_moments
from tasks.effects.window_segments import estimate_window_segments
from tests.effects.worlds import CONTROLS, TRUTH, make_world

TREATMENTS = treatment_names(list(TRUTH))


def rows_of(*, turn=0.0, rows=6000, rare=0):
    world = make_world(np.random.default_rng(3), rows=rows)
    kind = np.random.default_rng(4).integers(0, 2, rows)
    world.y[:] = world.y + turn * kind * world.d[:, 0]
    names = np.array(["mic", "amp"], dtype=object)[kind]
    names[:rare] = "<b>rare"
    frame = world.frame().with_columns(pl.Series("c__category", names))
    basis = fit_basis(frame, BasisSpec(numeric=CONTROLS, categorical=("c__category",)))
    levels = choose_levels(frame["c__category"], max_levels=5)
    moments = split_panel_moments(
        frame, basis, segment="c__category", levels=levels, treatments=TREATMENTS,
        outcome="rating", n_buckets=40,
    )  # fmt: skip
    return estimate_window_segments(
        moments, source="shop", window="all", segment="c__category", attributes=list(TRUTH),
        outcome="rating", method=Method(),
    )  # fmt: skip


def test_effects_that_differ_are_told_apart_and_the_others_are_not():
    found = {(row["attribute"], row["level"]): row for row in rows_of(turn=1.5)}
    assert found["sound", "mic"]["ci_low"] < 1.2 < found["sound", "mic"]["ci_high"]
    assert found["sound", "amp"]["ci_low"] < 2.7 < found["sound", "amp"]["ci_high"]
    assert found["sound", "mic"]["q_value"] < 0.001
    assert found["price", "mic"]["q_value"] > 0.05
    assert {row["n"] for row in found.values()} <= {
        found["sound", "mic"]["n"],
        found["sound", "amp"]["n"],
    }


def test_without_a_difference_none_is_found():
    assert all(row["q_value"] > 0.05 for row in rows_of())


def test_a_level_with_few_mentions_says_so_and_has_no_number():
    found = [row for row in rows_of(rare=40) if row["level"] == "<b>rare"]
    assert found
    assert {row["estimate"] for row in found} == {None}
    assert all("mentions" in row["reason"] for row in found)


def test_too_few_mentions_altogether_give_no_rows():
    assert rows_of(rows=100) == []
