"""Attacks on what predicts ratings: a tower's token states, items' text features."""

import numpy as np
import polars as pl
import pytest

from flows.attacks.features import (
    attack_features,
    count_hits,
    find_slopes,
    find_texts,
    measure_features,
)
from flows.attacks.tower import follow_tower, judge, predict
from tasks.recommend.checkpoint import Checkpoint, Names
from tasks.recommend.debias import Fit
from tasks.recommend.models import Inputs, Recommender
from tasks.recommend.text_tower import TextRecipe, fit_text

EPSILONS = (0.1, 0.4)


def make_states(n: int = 60, dim: int = 4) -> tuple[list[np.ndarray], np.ndarray]:
    """Texts of 2 to 5 tokens; the rating is 3 and what the first dimension says."""
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((int(rng.integers(2, 6)), dim)) for _ in range(n)]
    return parts, np.array([np.clip(3 + 2 * part[:, 0].mean(), 1, 5) for part in parts])


@pytest.fixture(scope="module")
def tower():
    parts, ratings = make_states()
    recipe = TextRecipe(hidden=8, epochs=15, dropout=0.0, rate=0.02)
    model = fit_text(lambda rows: [parts[int(r)] for r in rows], ratings, seed=0, recipe=recipe)
    return model, parts, ratings


def test_slopes_of_a_tower_are_what_a_small_step_does(tower):
    model, parts, _ = tower
    slopes = model.find_slopes(parts[:3])
    step = 1e-2
    for at, (part, slope) in enumerate(zip(parts[:3], slopes, strict=True)):
        assert slope.shape == part.shape
        nudged = [p.copy() for p in parts[:3]]
        nudged[at][0, 0] += step
        rise = (predict(model, nudged) - predict(model, parts[:3]))[at] / step
        assert rise == pytest.approx(slope[0, 0], abs=0.05)  # curvature over a step of 0.01


def test_a_tower_errs_more_the_farther_its_states_are_moved_and_pgd_does_no_worse(tower):
    model, parts, ratings = tower
    found = {
        method: follow_tower(
            model, parts, ratings, method=method, epsilons=EPSILONS, norm="l2", relevant=4.0, seed=0
        )
        for method in ("fgsm", "pgd")
    }
    for curve in found.values():
        errors = [curve["clean"]["mse"], *(point["mse"] for point in curve["points"])]
        assert errors == sorted(errors)
        assert errors[-1] > 2 * errors[0]
    # the tower curves little within such radii: many steps gain at most what one does, and little less
    assert found["pgd"]["points"][-1]["mse"] > 0.8 * found["fgsm"]["points"][-1]["mse"]


def test_error_and_accuracy_are_by_hand():
    found = judge(np.array([4.5, 3.0, 4.0]), np.array([5.0, 3.0, 2.0]), 4.0)
    assert found == {
        "mse": pytest.approx(4.25 / 3, abs=1e-4),
        "accuracy": pytest.approx(2 / 3, abs=1e-4),
    }


def make_checkpoint(weight: float = 1.0, *, has_texts: bool = True) -> Checkpoint:
    """Six users, twelve items; a text feature that all users like by `weight` per unit."""
    rng = np.random.default_rng(1)
    items = np.column_stack([np.ones(12), rng.standard_normal(12)]) / np.sqrt(2)
    parameters = {
        "mean": np.array(3.0),
        "item": rng.standard_normal(12) * 0.5,
        "item_features": np.array([0.0, weight]),
    }
    model = Recommender(parameters, Inputs(np.zeros((6, 0)), items))
    columns = ("price_usd", "text_0" if has_texts else "brand:a")
    names = Names(tuple("abcdef"), tuple(f"i{k:02d}" for k in range(12)), (), columns)
    return Checkpoint(Fit((model,)), names, {})


def test_an_item_is_raised_by_radius_times_slope():
    checkpoint = make_checkpoint(weight=2.0)
    places = find_texts(checkpoint)
    assert places.tolist() == [1]
    assert find_slopes(checkpoint.model, places) == pytest.approx(np.full((6, 1), 2.0))
    ratings = pl.DataFrame(
        {"user_id": ["a", "zz"], "item_id": ["i00", "i01"], "rating": [3.0, 1.0]}
    )
    clean, (small, large) = measure_features(
        checkpoint, ratings, places, method="fgsm", epsilons=EPSILONS, norm="l2", seed=0
    )
    assert clean.shift == 0
    assert small.shift == pytest.approx(0.2)
    assert large.shift == pytest.approx(0.8)
    assert clean.hit_rate == pytest.approx(10 / 12)
    assert large.hit_rate >= clean.hit_rate
    assert clean.mse is not None


def test_an_item_of_the_top_competes_with_the_next_one():
    grid = np.arange(12.0)[None, :]
    assert count_hits(grid, np.zeros((1, 12))).sum() == 10
    rise = np.zeros((1, 12))
    rise[0, 0] = 2.5
    assert count_hits(grid, rise)[0] == 1.0
    fall = np.zeros((1, 12))
    fall[0, 11] = -20.0
    assert count_hits(grid, fall)[11] == 0.0


def test_recommenders_without_texts_are_skipped_with_the_reason():
    options = {"source": "shop", "method": "fgsm", "epsilons": EPSILONS, "norm": "l2", "seed": 0}
    nothing = pl.DataFrame(
        schema={"user_id": pl.String, "item_id": pl.String, "rating": pl.Float64}
    )
    for checkpoint, reason in (
        (None, "no recommender"),
        (make_checkpoint(has_texts=False), "knows no texts"),
        (make_checkpoint(0.0), "gives them no weight"),
    ):
        row = attack_features(checkpoint, nothing, **options)
        assert (row.attempted, row.skipped) == (0, 1)
        assert reason in row.skip_reason
    row = attack_features(make_checkpoint(), nothing, **options)
    assert row.attempted == row.succeeded + row.failed == 12
