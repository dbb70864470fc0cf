"""Effects of rows: better than one for all where they vary, and no worse where they do not."""

import numpy as np
import pytest

from tasks.effects.learned.cate import (
    Residuals,
    choose_effect,
    estimate_cate,
    measure_slope,
    residualise,
)
from tasks.effects.learned.forest import estimate_forest
from tests.effects.arms import Arms, make_arms

ROWS = 800
TREES = 80


def shrunken(world: Arms):
    """First stage as a learner would have it: right in the mean, with no idea of the effects."""
    mean = world.mu0 + world.e * world.effect
    average = world.effect.mean()
    return world.nuisances(
        untreated=mean - world.e * average, treated=mean + (1 - world.e) * average
    )


def grow(world: Arms, **options):
    given = {"cluster": world.rows, "trees": TREES} | options
    return estimate_forest(world.x, world.y, world.d, shrunken(world), **given)


def estimate(world: Arms):
    forest = grow(world)
    return estimate_cate(
        world.x, world.x, world.y, world.d, shrunken(world), cluster=world.rows, folds=3,
        forest_effect=forest.effect,
    )  # fmt: skip


def root_pehe(effect, world: Arms) -> float:
    return float(np.sqrt(np.mean((effect - world.effect) ** 2)))


@pytest.fixture(scope="module")
def varied() -> Arms:
    return make_arms(np.random.default_rng(1), rows=ROWS, slope=1.0)


@pytest.fixture(scope="module")
def same() -> Arms:
    return make_arms(np.random.default_rng(2), rows=ROWS, slope=0.0)


@pytest.mark.slow
def test_row_effects_beat_one_effect_for_all_where_they_vary(varied):
    found = estimate(varied)
    assert found.chosen == "stack"
    assert root_pehe(found.effect, varied) < 0.5 * varied.effect.std()
    by_name = {loss.name: loss for loss in found.losses}
    assert by_name["stack"].gain > 2 * by_name["stack"].gain_error
    assert by_name["constant"].gain == 0.0
    assert by_name["zero"].gain < 0.0
    assert [loss.loss for loss in found.losses] == sorted(loss.loss for loss in found.losses)
    assert found.heterogeneity.p_value < 1e-6
    assert abs(found.heterogeneity.slope - 1) < 3 * found.heterogeneity.slope_error


@pytest.mark.slow
def test_row_effects_tie_one_effect_for_all_where_they_do_not_vary(same):
    found = estimate(same)
    assert root_pehe(found.effect, same) < 0.15
    assert found.heterogeneity.p_value is None or found.heterogeneity.p_value > 0.01


def test_forest_averages_are_doubly_robust_and_its_row_intervals_cover(varied):
    for estimand in ("ate", "att", "atc"):
        fit = grow(varied, estimand=estimand)
        assert abs(fit.estimate - varied.truth(estimand)) < 3 * fit.std_error
    covered = (fit.effect_low < varied.effect) & (varied.effect < fit.effect_high)
    assert covered.mean() > 0.7  # of smoothed effects, so less than 95% of the rows' own
    assert root_pehe(fit.effect, varied) < 0.6 * varied.effect.std()
    assert np.sqrt((fit.influence**2).sum()) == pytest.approx(fit.std_error)


def test_forest_is_the_same_twice_and_without_columns_has_one_effect(varied):
    np.testing.assert_array_equal(grow(varied).effect, grow(varied).effect)
    nothing = np.zeros((ROWS, 0))
    fit = estimate_forest(
        nothing, varied.y, varied.d, shrunken(varied), cluster=varied.rows, trees=TREES
    )
    assert np.ptp(fit.effect) == 0.0


def test_slope_is_one_for_the_true_effects_and_zero_for_noise(varied):
    rows = residualise(varied.y, varied.d, varied.nuisances())
    true = measure_slope(varied.effect, rows, varied.rows)
    assert abs(true.slope - 1) < 3 * true.slope_error
    halved = measure_slope(varied.effect / 2, rows, varied.rows)
    assert halved.slope == pytest.approx(2 * true.slope)
    noise = measure_slope(np.random.default_rng(3).normal(size=ROWS), rows, varied.rows)
    assert abs(noise.slope) < 3 * noise.slope_error
    assert measure_slope(np.ones(ROWS), rows, varied.rows).slope is None


def test_scores_average_to_the_effect(varied):
    rows: Residuals = residualise(varied.y, varied.d, varied.nuisances())
    error = rows.score.std() / np.sqrt(ROWS)
    assert abs(rows.score.mean() - varied.truth("ate")) < 3 * error
    np.testing.assert_allclose(rows.treatment, varied.d - varied.e)


@pytest.mark.parametrize(("sign", "chosen"), [(1.0, "stack"), (-1.0, "constant")])
def test_effects_that_are_foretold_the_wrong_way_round_are_one_for_all(sign: float, chosen: str):
    """They beat the constant by their level alone, which is off in its folds here."""
    rng = np.random.default_rng(6)
    x, moved = rng.normal(size=900), rng.choice([-0.5, 0.5], 900)
    outcome = moved * (1 + 0.2 * x) + 0.3 * rng.normal(size=900)
    rows = Residuals(outcome, moved, outcome / moved)
    candidates = {"one": 1 + sign * 0.2 * x, "constant": np.zeros(900)}
    found = choose_effect(candidates, rows, np.arange(900) % 3, np.arange(900))
    assert found.chosen == chosen
    assert found.effect.mean() == pytest.approx(1, abs=0.1)
