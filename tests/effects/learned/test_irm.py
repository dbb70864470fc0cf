"""Weighted and doubly robust averages: against DoubleML and against known truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tasks.effects.estimand import ESTIMANDS
from tasks.effects.learned.ipw import estimate_ipw
from tasks.effects.learned.irm import deal_folds, estimate_irm, score_irm, split_nuisances
from tasks.effects.learned.nuisance import Nuisances
from tasks.platform.errors import ConfigError, EstimationError
from tests.effects.arms import Arms, make_arms

WITHIN = 3.0
"""Standard errors: a right estimator leaves them once in 370 draws, and the seeds are fixed."""
PEER_TOLERANCE = 1e-10
"""Relative: the same arithmetic on the same predictions."""


def estimate(world: Arms, nuisances: Nuisances, **options):
    return estimate_irm(world.x, world.x, world.y, world.d, **(world.given(nuisances) | options))


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
    weighted = estimate_ipw(
        wrong.propensity, world.y, world.d, cluster=world.rows, estimand=estimand
    )
    assert abs(weighted.estimate - world.truth(estimand)) > WITHIN * weighted.std_error


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_right_propensities_alone_recover_each_effect(world, estimand):
    fit = estimate_ipw(world.e, world.y, world.d, cluster=world.rows, estimand=estimand)
    assert abs(fit.estimate - world.truth(estimand)) < WITHIN * fit.std_error


def test_effects_on_treated_and_untreated_part_where_effects_vary_with_the_propensity(world):
    found = {e: estimate(world, world.nuisances(), estimand=e) for e in ESTIMANDS}
    assert found["att"].estimate > found["ate"].estimate + 3 * found["ate"].std_error
    assert found["atc"].estimate < found["ate"].estimate - 3 * found["ate"].std_error
    share = world.d.mean()
    mixed = share * found["att"].estimate + (1 - share) * found["atc"].estimate
    assert mixed == pytest.approx(found["ate"].estimate, abs=found["ate"].std_error)


@pytest.mark.parametrize(("estimand", "score"), [("ate", "ATE"), ("att", "ATTE")])
def test_estimate_and_error_equal_doubleml_on_the_same_predictions(world, estimand, score):
    from doubleml import DoubleMLData, DoubleMLIRM
    from doubleml.utils import DMLDummyClassifier, DMLDummyRegressor

    frame = pd.DataFrame({"y": world.y, "d": world.d, "x": world.x[:, 0]})
    given = world.nuisances(untreated=world.mu0 + 0.3 * world.x[:, 1], propensity=world.e**1.1)
    peer = DoubleMLIRM(
        DoubleMLData(frame, "y", "d"), DMLDummyRegressor(), DMLDummyClassifier(), score=score
    )
    predictions = {"ml_g0": given.untreated, "ml_g1": given.treated, "ml_m": given.propensity}
    peer.fit(external_predictions={"d": {k: v[:, None] for k, v in predictions.items()}})
    fit = estimate(world, given, estimand=estimand)
    assert fit.estimate == pytest.approx(peer.coef[0], rel=PEER_TOLERANCE)
    # ours counts clusters - 1 degrees of freedom
    factor = np.sqrt(fit.n / (fit.n - 1))
    assert fit.std_error == pytest.approx(peer.se[0] * factor, rel=PEER_TOLERANCE)
    assert 0 < fit.robustness_value < 1


def test_effect_on_the_untreated_is_that_on_the_treated_with_arms_exchanged(world):
    given = world.nuisances()
    swapped = Nuisances(given.treated, given.untreated, 1 - given.propensity, {}, {})
    atc = score_irm(given, world.y, world.d, estimand="atc")
    att = score_irm(swapped, world.y, 1 - world.d, estimand="att")
    assert atc.estimate == pytest.approx(-att.estimate, rel=1e-12)


def test_influence_adds_up_to_the_variance_and_to_nothing(world):
    for fit in (
        estimate(world, world.nuisances(), estimand="att"),
        estimate_ipw(world.e, world.y, world.d, cluster=world.rows, estimand="att"),
    ):
        assert np.sqrt((fit.influence**2).sum()) == pytest.approx(fit.std_error, rel=1e-3)
        assert abs(fit.influence.sum()) < 1e-9


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_calibrated_weights_mend_propensities_that_are_too_smooth(world, estimand):
    logit = 0.5 * np.log(world.e / (1 - world.e))
    smooth = 1 / (1 + np.exp(-logit))
    basis = (world.x - world.x.mean(axis=0)) / world.x.std(axis=0)
    given = {"cluster": world.rows, "estimand": estimand}
    plain = estimate_ipw(smooth, world.y, world.d, **given)
    fit = estimate_ipw(smooth, world.y, world.d, basis=basis, **given)
    assert abs(plain.estimate - world.truth(estimand)) > WITHIN * plain.std_error
    assert abs(fit.estimate - world.truth(estimand)) < WITHIN * fit.std_error
    asked = {"ate": world.d >= 0, "att": world.d == 1, "atc": world.d == 0}[estimand]
    for arm in (0, 1):
        rows = world.d == arm
        assert fit.weights[rows].sum() == pytest.approx(1)
        left = np.abs(fit.weights[rows] @ basis[rows] - basis[asked].mean(axis=0))
        assert left.max() < 0.02


def test_without_controls_it_is_the_difference_in_means(world):
    nothing = np.zeros((len(world.y), 0))
    fit = estimate_irm(nothing, nothing, world.y, world.d, cluster=world.rows, repeats=3)
    treated, untreated = world.y[world.d == 1], world.y[world.d == 0]
    assert fit.estimate == pytest.approx(treated.mean() - untreated.mean(), abs=1e-12)
    welch = np.sqrt(treated.var() / len(treated) + untreated.var() / len(untreated))
    assert fit.std_error == pytest.approx(welch, rel=1e-3)
    weighted = estimate_ipw(fit.nuisances.propensity, world.y, world.d, cluster=world.rows)
    assert weighted.estimate == pytest.approx(fit.estimate, abs=1e-12)


def test_clusters_widen_intervals_when_their_rows_are_alike():
    one = make_arms(np.random.default_rng(2), rows=400)
    many = Arms(*(np.repeat(v, 5, axis=0) for v in (one.x, one.d, one.y, one.mu0, one.mu1, one.e)))
    cluster = np.repeat(np.arange(400), 5)
    alone = estimate(one, one.nuisances()).std_error
    assert estimate(many, many.nuisances()).std_error == pytest.approx(alone / 5**0.5, rel=0.01)
    clustered = estimate(many, many.nuisances(), cluster=cluster)
    assert clustered.std_error == pytest.approx(alone, rel=1e-9)
    assert clustered.clusters == 400
    weighted = estimate_ipw(many.e, many.y, many.d, cluster=cluster)
    assert weighted.std_error == pytest.approx(
        estimate_ipw(one.e, one.y, one.d, cluster=one.rows).std_error, rel=1e-9
    )


def test_disagreement_between_splits_widens_the_interval(world):
    off = world.nuisances(treated=world.mu1 + 0.5, propensity=np.full(len(world.y), 0.5))
    splits = [world.nuisances(), off, world.nuisances()]
    fit = estimate(world, world.nuisances(), splits=splits)
    assert fit.estimate == np.median(fit.estimates)
    gaps = (fit.estimates - fit.estimate) ** 2
    assert fit.std_error**2 == pytest.approx(np.median(fit.std_errors**2 + gaps))
    assert np.sqrt((fit.influence**2).sum()) == pytest.approx(fit.std_error)


def test_clipped_propensities_are_held_and_counted(world):
    extreme = np.where(np.arange(len(world.y)) < 7, 1e-9, world.e)
    fit = estimate(world, world.nuisances(propensity=extreme), clip=0.02)
    beyond = (world.e < 0.02) | (world.e > 0.98)
    assert fit.clipped == 7 + int(beyond[7:].sum())
    held = estimate(world, world.nuisances(propensity=np.clip(extreme, 0.02, 0.98)), clip=0.02)
    assert fit.estimate == pytest.approx(held.estimate, rel=1e-12)


def test_weights_sum_to_one_in_each_arm_and_keep_the_estimate_in_range(world):
    fit = estimate_ipw(world.e, world.y + 1e6, world.d, cluster=world.rows)
    plain = estimate_ipw(world.e, world.y, world.d, cluster=world.rows)
    assert fit.estimate == pytest.approx(plain.estimate, abs=1e-6)
    for arm in (0, 1):
        assert fit.weights[world.d == arm].sum() == pytest.approx(1.0)
    assert fit.effective_treated < (world.d == 1).sum()


def test_folds_keep_clusters_whole_and_share_out_the_treated():
    rng = np.random.default_rng(3)
    cluster = rng.integers(0, 100, 1000)
    treated = (cluster < 10).astype(np.int64)
    fold = deal_folds(cluster, treated, 5, rng)
    assert all(len(np.unique(fold[cluster == c])) == 1 for c in range(100))
    assert all(len(np.unique(cluster[(fold == k) & (treated == 1)])) == 2 for k in range(5))


@pytest.mark.slow
@pytest.mark.parametrize("surface", ["linear", "step"])
def test_learned_nuisances_recover_the_truth_that_the_naive_difference_misses(surface):
    world = make_arms(
        np.random.default_rng(4), rows=500, surface=surface, slope=0.3, confounding=1.5
    )
    splits = split_nuisances(
        world.x, world.x, world.y, world.d, cluster=world.rows, folds=2, repeats=1, seed=0
    )
    naive = world.y[world.d == 1].mean() - world.y[world.d == 0].mean()
    for estimand in ESTIMANDS:
        fit = estimate(world, splits[0], estimand=estimand)
        error = abs(fit.estimate - world.truth(estimand))
        assert error < WITHIN * fit.std_error
        assert error < 0.5 * abs(naive - world.truth(estimand))


def test_what_cannot_be_answered_is_refused(world):
    with pytest.raises(ConfigError, match="allowed are ate, att, atc"):
        estimate(world, world.nuisances(), estimand="late")
    with pytest.raises(EstimationError, match="both arms need rows"):
        estimate_irm(world.x, world.x, world.y, np.ones_like(world.d), cluster=world.rows)
    with pytest.raises(EstimationError, match="both arms need rows"):
        estimate_ipw(world.e, world.y, np.zeros_like(world.d), cluster=world.rows)
    with pytest.raises(EstimationError, match="at least 2 clusters"):
        estimate_ipw(world.e, world.y, world.d, cluster=np.zeros_like(world.d))


def test_learners_that_disagree_where_an_arm_has_no_rows_widen_the_interval(world):
    lonely = np.arange(len(world.y)) < 400
    chances = np.where(lonely, 1e-4, world.e)
    skills = {"low": 0.6, "high": 0.6, "none": 0.0}
    effects = {"low": world.effect, "high": world.effect + 2.0 * lonely}
    effects["none"] = world.effect + 90.0 * lonely
    doubted = Nuisances(world.mu0, world.mu1, chances, effects, {}, skills)
    agreed = Nuisances(
        world.mu0, world.mu1, chances, dict.fromkeys(effects, world.effect), {}, skills
    )
    alone, wide = (estimate(world, given, clip=0.001) for given in (agreed, doubted))
    assert alone.extrapolation_error == 0.0
    # two learners 2 apart, each 1 off their mean, on a tenth of the rows
    assert wide.extrapolation_error == pytest.approx(0.1, rel=1e-9)
    assert wide.std_error**2 == pytest.approx(alone.std_error**2 + 0.1**2)
    assert wide.estimate == alone.estimate
    treated = estimate(world, doubted, clip=0.001, estimand="att")
    assert treated.extrapolation_error == 0.0


def test_what_balanced_controls_explain_does_not_widen_the_weighted_interval():
    linear = make_arms(np.random.default_rng(12), rows=1_000, confounding=0.5)
    # the controls explain 25 times as much of the outcome as the noise does
    world = replace(linear, y=linear.y + 5 * linear.x[:, 2], mu0=linear.mu0 + 5 * linear.x[:, 2])
    basis = (world.x - world.x.mean(axis=0)) / world.x.std(axis=0)
    fit = estimate_ipw(world.e, world.y, world.d, cluster=world.rows, basis=basis)
    plain = estimate_ipw(world.e, world.y, world.d, cluster=world.rows)
    known = estimate(world, world.nuisances(untreated=world.mu0, treated=world.mu0 + 1))
    assert fit.std_error < 0.3 * plain.std_error
    assert fit.std_error == pytest.approx(known.std_error, rel=0.15)


@pytest.mark.parametrize(("n", "treated", "width"), [(200, 50, 80), (200, 20, 40), (1000, 60, 100)])
def test_weighted_intervals_hold_where_an_arm_has_fewer_rows_than_controls(
    n: int, treated: int, width: int
) -> None:
    """A ridge that passes through all outcomes of an arm leaves nothing, which is not no doubt."""
    fits = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, width))
        d = np.zeros(n, dtype=np.int64)
        d[rng.permutation(n)[:treated]] = 1
        basis = (x - x.mean(axis=0)) / x.std(axis=0)
        given = {"cluster": np.arange(n), "basis": basis}
        fits.append(estimate_ipw(np.full(n, d.mean()), d + rng.normal(size=n), d, **given))
    hits = [abs(fit.estimate - 1) < 1.96 * fit.std_error for fit in fits]
    errors = np.array([fit.estimate - 1 for fit in fits])
    assert np.mean(hits) >= 0.85
    assert np.mean([fit.std_error for fit in fits]) > 0.75 * errors.std()


def test_weighted_intervals_count_only_what_the_weights_balance():
    """Were smooth functions explained away but not balanced, four of five intervals would hold."""
    hits, ratios = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(300, 5))
        d = (rng.random(300) < 0.5).astype(np.int64)
        y = d + 1.5 * x[:, 2] ** 2 + 2 * np.sin(2 * x[:, 1]) + rng.normal(size=300)
        given = {"cluster": np.arange(300)}
        basis = (x - x.mean(axis=0)) / x.std(axis=0)
        fit = estimate_ipw(np.full(300, d.mean()), y, d, basis=basis, **given)
        hits.append(abs(fit.estimate - 1) < 1.96 * fit.std_error)
        ratios.append(fit.std_error / estimate_ipw(np.full(300, d.mean()), y, d, **given).std_error)
    assert np.mean(hits) >= 0.9
    assert np.mean(ratios) < 0.8
