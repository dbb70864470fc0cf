"""Cross-fitted nuisances: close to the truth, unspoilt by a row's own outcome, hard to break."""

import numpy as np
import pytest

from tasks.effects.learned.gaussian import measure_misfit, predict_process, tune_kernel
from tasks.effects.learned.nuisance import (
    Nuisances,
    average_nuisances,
    cross_fit_nuisances,
    fill_features,
)
from tasks.effects.learned.stacking import stack_chances, stack_squares
from tests.effects.arms import Arms, make_arms

FOLDS = 2


def learn(x, y, d, *, folds=FOLDS, seed=0) -> Nuisances:
    fold = np.random.default_rng(5).permutation(len(y)) % folds
    basis = fill_features(x)
    return cross_fit_nuisances(x, basis, y, d, fold, folds, seed=seed)


@pytest.fixture(scope="module")
def world() -> Arms:
    return make_arms(np.random.default_rng(1), rows=500, surface="polynomial", slope=0.5)


@pytest.fixture(scope="module")
def found(world) -> Nuisances:
    return learn(world.x, world.y, world.d)


def test_both_outcomes_and_the_propensity_are_close_to_the_truth(world, found):
    for learned, truth in ((found.untreated, world.mu0), (found.treated, world.mu1)):
        assert np.mean((learned - truth) ** 2) < 0.35 * np.var(truth)
    assert np.mean((found.propensity - world.e) ** 2) < 0.3 * np.var(world.e)


@pytest.mark.slow
def test_a_wave_that_learners_flatten_is_mended():
    """What is left of a confounding wave: trees, lines and kernels leave a quarter of it in each arm."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.uniform(-3, 3, 700), rng.normal(size=(700, 7))])
    wave = np.cos(2 * x[:, 0])
    d = (rng.random(700) < 1 / (1 + np.exp(-1.2 * wave))).astype(np.int64)
    found = learn(x, 2 * wave + d + rng.normal(size=700), d)
    turned = wave - wave.mean()
    for arm, learned in enumerate((found.untreated, found.treated)):
        left = turned @ (2 * wave + arm - learned) / (2 * turned @ turned)
        assert abs(left) < 0.1


def test_weights_are_shares(found):
    for stack in found.weights.values():
        assert all(weight > 0 for weight in stack.values())
        assert sum(stack.values()) == pytest.approx(1.0, abs=0.05)


def test_a_row_does_not_tell_its_own_prediction(world, found):
    moved = world.y.copy()
    moved[0] += 3.0
    again = learn(world.x, moved, world.d)
    own = abs(again.untreated[0] - found.untreated[0])
    assert own < 0.1  # only through the weights of the stack
    assert np.abs(again.untreated - found.untreated).max() > 0.05


def test_same_seed_gives_the_same_numbers_to_the_last_bit(world, found):
    again = learn(world.x, world.y, world.d)
    np.testing.assert_array_equal(again.treated, found.treated)
    np.testing.assert_array_equal(again.propensity, found.propensity)


def test_dollars_are_learned_as_well_as_thousands(world, found):
    dollars = learn(world.x, 1e5 * world.y + 1e7, world.d)
    np.testing.assert_allclose((dollars.treated - 1e7) / 1e5, found.treated, atol=0.02)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: np.column_stack([x, np.ones(len(x)), np.full(len(x), np.nan)]),
        lambda x: np.where(np.random.default_rng(0).random(x.shape) < 0.2, np.nan, x),
        lambda x: np.column_stack([x, np.random.default_rng(0).normal(size=(len(x), 150))]),
    ],
    ids=["constant and empty columns", "a fifth missing", "more columns than rows"],
)
def test_awkward_tables_are_survived(spoil):
    world = make_arms(np.random.default_rng(2), rows=120)
    found = learn(spoil(world.x), (world.y > 0).astype(float), world.d, folds=2)
    for values in (found.untreated, found.treated, found.propensity):
        assert np.isfinite(values).all()
        assert values.min() > -0.7
        assert values.max() < 1.7


@pytest.mark.parametrize("treated", [1, 3, 10])
def test_tiny_arms_are_survived(treated):
    world = make_arms(np.random.default_rng(3), rows=80)
    d = np.zeros(80, dtype=np.int64)
    d[:treated] = 1
    found = learn(world.x, world.y, d, folds=4)
    assert np.isfinite(found.treated).all()
    assert 0 < found.propensity.mean() < 0.3


def test_average_of_splits_is_the_mean_of_each_part(found):
    other = Nuisances(found.untreated + 2, found.treated, found.propensity, found.effects,
                      {"effect": {"stack": 1.0}} | dict(found.weights))  # fmt: skip
    both = average_nuisances([found, other])
    np.testing.assert_allclose(both.untreated, found.untreated + 1)
    assert both.weights["treated"] == pytest.approx(dict(found.weights["treated"]))


def test_stack_finds_the_mixture_that_made_the_outcome():
    rng = np.random.default_rng(4)
    for rows in (500, 5_000):
        predictions = rng.normal(size=(rows, 4))
        outcome = predictions @ [0.6, 0.0, 0.4, 0.0] + 0.01 * rng.normal(size=rows)
        weights = stack_squares(predictions, outcome)
        np.testing.assert_allclose(weights, [0.6, 0.0, 0.4, 0.0], atol=0.01)
        assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(stack_squares(np.zeros((3, 2)), np.ones(3)), [0.5, 0.5])


def test_stack_of_chances_prefers_the_true_ones():
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.05, 0.95, 3_000)
    event = (rng.random(3_000) < truth).astype(float)
    weights = stack_chances(np.column_stack([np.full(3_000, 0.5), truth, 1 - truth]), event)
    assert weights[1] > 0.9
    assert weights.sum() == pytest.approx(1.0)


def test_gaussian_process_learns_a_bend_and_an_effect():
    rng = np.random.default_rng(6)
    x, d = rng.normal(size=(300, 2)), rng.integers(0, 2, 300) - 0.5
    y = np.sin(2 * x[:, 0]) + d * (1 + x[:, 1]) + 0.2 * rng.normal(size=300)
    kernel = tune_kernel(x[:200], d[:200], y[:200])
    low, high = predict_process(kernel, (x[:200], d[:200], y[:200]), x[200:], (-0.5, 0.5))
    assert np.mean((high - low - 1 - x[200:, 1]) ** 2) < 0.05
    assert np.mean(((high + low) / 2 - np.sin(2 * x[200:, 0])) ** 2) < 0.05


def test_slope_of_the_likelihood_is_that_of_its_finite_differences():
    rng = np.random.default_rng(6)
    x, d = rng.normal(size=(40, 3)), np.where(rng.random(40) < 0.5, 0.5, -0.5)
    y = x[:, 0] + d * (1 + x[:, 1]) + rng.normal(size=40)
    distances = ((x[:, None] - x[None]) ** 2).mean(axis=2)
    parts = (x @ x.T / 3, distances, np.outer(d, d), y)
    logs, step = rng.normal(scale=0.5, size=8), 1e-5
    _, slopes = measure_misfit(logs, *parts)
    for i, axis in enumerate(np.eye(8) * step):
        ends = [measure_misfit(logs + side * axis, *parts)[0] for side in (1, -1)]
        assert slopes[i] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)


def test_skill_is_what_a_learner_explains_beyond_the_means_of_the_arms(world, found):
    assert found.skills["mean"] == 0.0
    assert set(found.skills) == set(found.effects) - {"stack"}
    arms = [world.y[world.d == arm] for arm in (0, 1)]
    plain = sum(float(((arm - arm.mean()) ** 2).sum()) for arm in arms)
    noise = world.y - np.where(world.d == 1, world.mu1, world.mu0)
    best = 1 - float((noise**2).sum()) / plain
    assert best - 0.1 < max(found.skills.values()) < best + 0.02
    assert min(found.skills.values()) == 0.0
