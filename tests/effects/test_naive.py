"""The naive difference, against plain means and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm

from tasks.effects.naive import estimate_naive, estimate_naive_rows
from tasks.platform.errors import EstimationError
from tests.effects.worlds import make_world

TOLERANCE = 1e-9
"""Relative: sums of the same rows in another order."""
SIDES = ["sound__positive", "sound__negative"]


def test_naive_effects_are_differences_in_means():
    world = make_world(np.random.default_rng(1))
    positive, negative = world.d[:, 0] == 1, world.d[:, 1] == 1
    neither = ~positive & ~negative
    fit = estimate_naive(world.moments(), treatments=SIDES, outcome="rating")
    expected = [world.y[side].mean() - world.y[neither].mean() for side in (positive, negative)]
    np.testing.assert_allclose(fit.theta, expected, rtol=TOLERANCE)
    both = fit.interval(fit.weights({SIDES[0]: 1.0, SIDES[1]: -1.0})).estimate
    assert both == pytest.approx(world.y[positive].mean() - world.y[negative].mean())


def test_naive_intervals_are_those_of_a_clustered_row_level_regression():
    world = make_world(np.random.default_rng(2))
    bucket = world.bucket(40)
    peer = sm.OLS(world.y, sm.add_constant(world.d[:, :2])).fit(
        cov_type="cluster", cov_kwds={"groups": bucket, "use_correction": False}
    )
    fit = estimate_naive(world.moments(), treatments=SIDES, outcome="rating", variance="cr0")
    np.testing.assert_allclose(fit.theta, peer.params[1:], rtol=TOLERANCE)
    np.testing.assert_allclose(fit.cov, peer.cov_params()[1:, 1:], rtol=1e-8, atol=1e-15)


def test_rows_give_the_numbers_of_the_moments():
    world = make_world(np.random.default_rng(3))
    columns = np.column_stack([world.d[:, :2], world.y])
    rows = estimate_naive_rows(columns, world.bucket(40), treatments=tuple(SIDES))
    grams = estimate_naive(world.moments(), treatments=SIDES, outcome="rating")
    np.testing.assert_allclose(rows.theta, grams.theta, rtol=TOLERANCE)
    np.testing.assert_allclose(rows.cov, grams.cov, rtol=1e-8)


def test_naive_is_as_wrong_as_the_world_says():
    fit = estimate_naive(
        make_world(np.random.default_rng(4), rows=40_000, users=20_000, concentration=0).moments(),
        treatments=["shipping__positive", "shipping__negative"], outcome="rating",
    )  # fmt: skip
    bias = float(fit.theta[0] - fit.theta[1])
    assert bias > 1.6
    assert bias < 2.6


def test_a_side_nobody_mentions_is_refused():
    world = make_world(np.random.default_rng(5))
    world.d[:, 0] = 0
    with pytest.raises(EstimationError, match="sound__positive"):
        estimate_naive(world.moments(), treatments=SIDES, outcome="rating")
