"""Augmented balancing weights: right where either half is right, steady where overlap is poor."""

import numpy as np
import pytest

from tasks.effects.estimand import ESTIMANDS
from tasks.effects.learned.balance import (
    TRUST,
    estimate_balance,
    factor_kernel,
    make_scores,
    score_balance,
    weigh_arm,
)
from tasks.effects.learned.irm import estimate_irm
from tasks.effects.learned.nuisance import Nuisances
from tasks.platform.errors import ConfigError, EstimationError
from tests.effects.arms import Arms, make_arms

WITHIN = 3.0
"""Standard errors: a right estimator leaves them once in 370 draws, and the seeds are fixed."""


def estimate(world: Arms, nuisances: Nuisances, **options):
    return estimate_balance(world.y, world.d, **(world.given(nuisances) | options))


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_wrong_outcome_model_is_rescued_by_right_propensity(world, estimand):
    zero = np.zeros(len(world.y))
    fit = estimate(world, world.nuisances(untreated=zero, treated=zero), estimand=estimand)
    assert abs(fit.estimate - world.truth(estimand)) < WITHIN * fit.std_error
    naive = world.y[world.d == 1].mean() - world.y[world.d == 0].mean()
    assert abs(naive - world.truth(estimand)) > WITHIN * fit.std_error


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_wrong_propensity_is_rescued_by_right_outcome_model(world, estimand):
    wrong = world.nuisances(propensity=np.full(len(world.y), 0.3))
    fit = estimate(world, wrong, estimand=estimand)
    assert abs(fit.estimate - world.truth(estimand)) < WITHIN * fit.std_error


def test_a_shrunken_outcome_model_is_mended_though_the_propensity_is_wrong(world):
    """Models that flatten what they saw: weights balance the scores that the error follows."""
    flat = world.nuisances(
        untreated=0.5 * world.mu0, treated=0.5 * world.mu1, propensity=np.full(len(world.y), 0.5)
    )
    given = {"cluster": world.rows, "splits": [flat]}
    plain = estimate_irm(world.x, world.x, world.y, world.d, **given)
    fit = estimate(world, flat)
    assert abs(fit.estimate - world.truth("ate")) < WITHIN * fit.std_error
    assert abs(plain.estimate - world.truth("ate")) > 3 * WITHIN * plain.std_error


@pytest.mark.parametrize("bend", [0.6, 1.4])
def test_under_poor_overlap_it_is_nearer_than_inverse_propensities(bend):
    """Half of the rows all but certain of their treatment; logits bent, outcomes flattened by 30%."""
    errors: dict[str, list[float]] = {"irm": [], "balance": []}
    for seed in range(15):
        world = make_arms(np.random.default_rng(seed), rows=1000, confounding=4.0, slope=0.5)
        logit = bend * np.log(world.e / (1 - world.e))
        off = world.nuisances(
            untreated=0.7 * world.mu0, treated=0.7 * world.mu1, propensity=1 / (1 + np.exp(-logit))
        )
        given = {"cluster": world.rows, "splits": [off]}
        plain = estimate_irm(world.x, world.x, world.y, world.d, **given)
        errors["irm"].append(plain.estimate - world.truth("ate"))
        fit = estimate(world, off)
        errors["balance"].append(fit.estimate - world.truth("ate"))
        assert abs(errors["balance"][-1]) < WITHIN * fit.std_error
    root = {name: float(np.sqrt(np.mean(np.square(found)))) for name, found in errors.items()}
    assert root["balance"] < 0.7 * root["irm"]


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_weights_balance_the_scores_better_than_the_propensities_alone(world, estimand):
    given = world.nuisances(propensity=world.e**1.5)
    scores = make_scores(given)
    asked = {"ate": np.ones(len(world.y)), "att": world.d, "atc": 1 - world.d}[estimand]
    asked = asked / asked.sum()
    arm = 1 if estimand == "atc" else 0
    rows = world.d == arm
    e = np.clip(given.propensity[rows], 0.05, 0.95)
    target = {"ate": 1.0, "att": e, "atc": 1 - e}[estimand]
    plain = target / (e if arm == 1 else 1 - e)
    plain = plain / plain.sum()
    weights = weigh_arm(
        given.propensity, world.d, arm, asked, factor_kernel(scores), estimand=estimand
    )
    assert weights.sum() == pytest.approx(1, abs=0.01)
    left = np.abs(weights @ scores[rows] - asked @ scores)
    assert left.max() < 0.25 * np.abs(plain @ scores[rows] - asked @ scores).max()


def test_weights_solve_the_penalised_problem(world):
    """Against the same equations with the whole kernel."""
    few = Arms(*(v[:300] for v in (world.x, world.d, world.y, world.mu0, world.mu1, world.e)))
    scores = make_scores(few.nuisances())
    distances = ((scores[:, None] - scores[None]) ** 2).mean(axis=2)
    kernel = 1 + scores @ scores.T / 3 + np.exp(-distances / 2)
    factor = factor_kernel(scores)
    np.testing.assert_allclose(factor @ factor.T, kernel, atol=0.01)
    asked = np.full(300, 1 / 300)
    found = weigh_arm(few.e, few.d, 1, asked, factor, estimand="ate")
    rows = few.d == 1
    start = 1 / np.clip(few.e[rows], 0.05, 0.95)
    start = start / start.sum()
    inner = kernel[np.ix_(rows, rows)]
    gap = kernel[rows] @ asked - inner @ start
    expected = start + np.linalg.solve(inner + np.eye(rows.sum()) / TRUST, gap)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max() + 1e-5)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_influence_adds_up_to_the_variance_and_to_nothing(world, estimand):
    score = score_balance(world.nuisances(), world.y, world.d, estimand=estimand)
    assert abs(score.influence.sum()) < 1e-9
    fit = estimate(world, world.nuisances(), estimand=estimand)
    assert np.sqrt((fit.influence**2).sum()) == pytest.approx(fit.std_error)
    assert fit.std_error == pytest.approx(np.sqrt((score.influence**2).sum()), rel=1e-3)


def test_effect_on_the_untreated_is_that_on_the_treated_with_arms_exchanged(world):
    given = world.nuisances()
    swapped = Nuisances(given.treated, given.untreated, 1 - given.propensity, {}, {})
    atc = score_balance(given, world.y, world.d, estimand="atc")
    att = score_balance(swapped, world.y, 1 - world.d, estimand="att")
    assert atc.estimate == pytest.approx(-att.estimate, rel=1e-6)


def test_without_controls_it_is_the_difference_in_means(world):
    n, means = len(world.y), [world.y[world.d == arm].mean() for arm in (0, 1)]
    plain = world.nuisances(
        untreated=np.full(n, means[0]),
        treated=np.full(n, means[1]),
        propensity=np.full(n, world.d.mean()),
    )
    assert estimate(world, plain).estimate == pytest.approx(means[1] - means[0], abs=1e-9)


def test_one_arm_only_and_unknown_estimands_are_refused(world):
    with pytest.raises(EstimationError, match="both arms"):
        estimate_balance(
            world.y, np.ones_like(world.d), splits=[world.nuisances()], cluster=world.rows
        )
    with pytest.raises(ConfigError, match="att"):
        estimate(world, world.nuisances(), estimand="late")
