"""Partially linear regression from moments, against DoubleML and against known truth."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from tasks.effects.intervals import contrast, t_quantile
from tasks.effects.moments import Moments, compute_moments, sum_moments
from tasks.effects.panel import treatment_names
from tasks.effects.plr import Fit, estimate_plr, robustness_value
from tasks.effects.plr_rows import assign_folds, average_fits, fit_rows
from tasks.platform.errors import EstimationError
from tests.effects.worlds import CONTROLS, TRUTH, World, make_world

PEER_TOLERANCE = 1e-9
"""Relative to the standard error: the same arithmetic in another order."""
FOLDS, BUCKETS, PENALTY = 5, 40, 1.0
TREATMENTS = treatment_names(list(TRUTH))


def estimate(moments: Moments, **options) -> Fit:
    given = {"treatments": TREATMENTS, "outcome": "rating", "controls": CONTROLS, "folds": FOLDS}
    return estimate_plr(moments, **(given | {"penalty": PENALTY} | options))


def fit_doubleml(world: World, group: np.ndarray, *, is_clustered: bool):
    """DoubleML's PLR with the folds group mod K; standard errors by row or by group."""
    from doubleml import DoubleMLData, DoubleMLPLR

    frame = pd.DataFrame(world.design[:, 1:], columns=list(world.columns[1:]))
    frame["group"] = group
    names = {"y_col": "rating", "d_cols": list(TREATMENTS), "x_cols": list(CONTROLS)}
    data = DoubleMLData(frame, **names, cluster_cols="group" if is_clustered else None)
    model = DoubleMLPLR(data, Ridge(alpha=PENALTY), Ridge(alpha=PENALTY), n_folds=FOLDS)
    fold = group % FOLDS
    rows = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    groups = np.unique(group)
    split = [([groups[groups % FOLDS != k]], [groups[groups % FOLDS == k]]) for k in range(FOLDS)]
    model.set_sample_splitting([rows], [split] if is_clustered else None)
    return model.fit()


def test_estimates_and_clustered_errors_equal_doubleml_on_the_same_folds():
    world = make_world(np.random.default_rng(1), rows=2500)
    peer = fit_doubleml(world, world.bucket(BUCKETS), is_clustered=True)
    ours = estimate(world.moments(BUCKETS), mode="separate", variance="cr0")
    np.testing.assert_allclose(ours.theta, peer.coef, atol=PEER_TOLERANCE * peer.se.min(), rtol=0)
    np.testing.assert_allclose(ours.std_error, peer.se, rtol=PEER_TOLERANCE)


def test_errors_equal_those_of_doubleml_by_row_when_every_row_is_a_bucket():
    world = make_world(np.random.default_rng(2), rows=600)
    group = np.arange(600)
    moments = compute_moments(world.design, group, columns=world.columns, n_buckets=600)
    peer = fit_doubleml(world, group, is_clustered=False)
    ours = estimate(moments, mode="separate", variance="cr0")
    np.testing.assert_allclose(ours.theta, peer.coef, atol=PEER_TOLERANCE * peer.se.min(), rtol=0)
    np.testing.assert_allclose(ours.std_error, peer.se, rtol=PEER_TOLERANCE)


def test_joint_mode_equals_least_squares_on_ridge_residuals_of_the_rows():
    world = make_world(np.random.default_rng(3), rows=1500)
    bucket = world.bucket(BUCKETS)
    fold = bucket % FOLDS
    residual = np.empty((1500, 7))
    for k in range(FOLDS):
        fit = Ridge(alpha=PENALTY).fit(
            world.x[fold != k], np.column_stack([world.d, world.y])[fold != k]
        )
        held = np.column_stack([world.d, world.y])[fold == k]
        residual[fold == k] = held - fit.predict(world.x[fold == k])
    theta, *_ = np.linalg.lstsq(residual[:, :-1], residual[:, -1], rcond=None)
    np.testing.assert_allclose(estimate(world.moments()).theta, theta, rtol=1e-9)


def test_joint_errors_equal_statsmodels_clustered_errors_of_the_residual_regression():
    import statsmodels.api as sm

    world = make_world(np.random.default_rng(4), rows=1500)
    bucket = world.bucket(BUCKETS)
    targets = np.column_stack([world.d, world.y])
    residual = np.empty_like(targets)
    for k in range(FOLDS):
        held = bucket % FOLDS == k
        fit = Ridge(alpha=PENALTY).fit(world.x[~held], targets[~held])
        residual[held] = targets[held] - fit.predict(world.x[held])
    peer = sm.OLS(residual[:, -1], residual[:, :-1]).fit(
        cov_type="cluster", cov_kwds={"groups": bucket, "use_correction": False}
    )
    ours = estimate(world.moments(), variance="cr0")
    np.testing.assert_allclose(ours.cov, peer.cov_params(), rtol=1e-7, atol=1e-14)
    factor = np.sqrt(BUCKETS / (BUCKETS - 1))
    corrected = estimate(world.moments(), variance="cr1")
    np.testing.assert_allclose(corrected.std_error, peer.bse * factor, rtol=1e-8)


def test_the_jackknife_is_the_spread_of_refits_without_one_bucket():
    world = make_world(np.random.default_rng(5), rows=1200)
    from tasks.effects.plr import residualise

    residuals = residualise(
        world.moments(), treatments=TREATMENTS, outcome="rating", controls=CONTROLS, folds=FOLDS,
        penalty=PENALTY,
    )  # fmt: skip
    total = residuals.grams.sum(axis=0)
    theta = np.linalg.solve(total[:-1, :-1], total[:-1, -1])
    without = []
    for own in residuals.grams:
        left = total - own
        without.append(np.linalg.solve(left[:-1, :-1], left[:-1, -1]))
    moved = np.array(without) - theta
    expected = (BUCKETS - 1) / BUCKETS * moved.T @ moved
    np.testing.assert_allclose(estimate(world.moments()).cov, expected, rtol=1e-8)


def test_rows_in_memory_give_the_numbers_of_the_moments():
    world = make_world(np.random.default_rng(6), rows=1500)
    bucket = world.bucket(BUCKETS)
    rows = fit_rows(
        world.design, n_treatments=6, cluster=bucket, fold_of_cluster=np.arange(BUCKETS) % FOLDS,
        folds=FOLDS, treatments=TREATMENTS, penalty=PENALTY,
    )  # fmt: skip
    grams = estimate(world.moments())
    np.testing.assert_allclose(rows.theta, grams.theta, rtol=1e-9)
    np.testing.assert_allclose(rows.cov, grams.cov, rtol=1e-8)
    np.testing.assert_allclose(rows.variance_left, grams.variance_left, rtol=1e-9)
    np.testing.assert_allclose(rows.effective_clusters, grams.effective_clusters, rtol=1e-9)
    np.testing.assert_allclose(rows.bread, grams.bread, rtol=1e-8)


def test_clusters_in_small_blocks_give_the_same_errors(monkeypatch):
    world = make_world(np.random.default_rng(7), rows=800, users=90)
    fold = assign_folds([str(u) for u in range(90)], FOLDS)
    given = {
        "n_treatments": 6, "cluster": world.user, "fold_of_cluster": fold, "folds": FOLDS,
        "treatments": TREATMENTS, "penalty": PENALTY,
    }  # fmt: skip
    whole = fit_rows(world.design, **given)
    monkeypatch.setattr("tasks.effects.plr_rows._CHUNK_CELLS", 49 * 30)
    blocks = fit_rows(world.design, **given)
    np.testing.assert_allclose(blocks.cov, whole.cov, rtol=1e-10)
    assert blocks.clusters == whole.clusters == len(np.unique(world.user))


@pytest.mark.parametrize("mode", ["joint", "separate"])
def test_true_effects_are_recovered(mode):
    fit = estimate(make_world(np.random.default_rng(8), rows=20_000).moments(), mode=mode)
    truth = np.array([value for pair in TRUTH.values() for value in pair])
    assert (np.abs(fit.theta - truth) < 3 * fit.std_error).all()
    assert fit.std_error.max() < 0.05


def test_a_day_replaced_gives_the_effects_of_a_fresh_computation():
    rng = np.random.default_rng(9)
    days = [make_world(rng, rows=400).moments() for _ in range(4)]
    corrected = make_world(rng, rows=390).moments()
    replaced = estimate(sum_moments([days[0], corrected, days[2], days[3]]))
    fresh = estimate(sum_moments([days[3], days[2], corrected, days[0]]))
    np.testing.assert_allclose(replaced.theta, fresh.theta, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(replaced.std_error, fresh.std_error, rtol=1e-12)


def test_rows_that_arrive_during_a_day_give_the_effects_of_a_fresh_computation():
    """Only the stored sum and the new rows are read."""
    world = make_world(np.random.default_rng(21), rows=3000)
    bucket = world.bucket(BUCKETS)
    parts = [
        compute_moments(world.design[rows], bucket[rows], columns=world.columns, n_buckets=BUCKETS)
        for rows in (slice(0, 2960), slice(2960, 2990), slice(2990, 3000))
    ]
    stored = parts[0].packed.copy()
    ours, fresh = estimate(sum_moments(parts)), estimate(world.moments(BUCKETS))
    np.testing.assert_allclose(ours.theta, fresh.theta, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(ours.std_error, fresh.std_error, rtol=1e-12)
    assert (parts[0].packed == stored).all()


def test_no_user_is_on_both_sides_of_a_fit():
    world = make_world(np.random.default_rng(10), rows=2000)
    fold = world.bucket(BUCKETS) % FOLDS
    assert all(len(set(fold[world.user == user])) == 1 for user in np.unique(world.user))


def test_intervals_cover_the_truth_though_few_users_write_most():
    """A loose band for 60 worlds; tests/benchmarks/bench_coverage.py runs 200 and holds 93-97%."""
    truth = np.array([value for pair in TRUTH.values() for value in pair])
    weights = np.array([[0, 0, 0, 0, 0, 0]] * 3, dtype=float)
    weights[[0, 1, 2], [0, 2, 4]], weights[[0, 1, 2], [1, 3, 5]] = 1.0, -1.0
    covered = []
    for seed in range(60):
        world = make_world(np.random.default_rng(seed), rows=3000, users=300, concentration=1.1)
        fit = estimate(world.moments())
        for w in [*np.eye(6), *weights]:
            interval = fit.interval(w)
            covered.append(interval.ci_low <= w @ truth <= interval.ci_high)
    assert 0.90 < np.mean(covered) < 0.995


def test_contrast_counts_the_covariance_of_both_sides():
    fit = estimate(make_world(np.random.default_rng(11)).moments())
    weights = fit.weights({"sound__positive": 1.0, "sound__negative": -1.0})
    interval = contrast(fit.theta, fit.cov, weights, degrees=39)
    variance = fit.cov[0, 0] + fit.cov[1, 1] - 2 * fit.cov[0, 1]
    assert interval.estimate == pytest.approx(fit.theta[0] - fit.theta[1])
    assert interval.std_error == pytest.approx(np.sqrt(variance))
    reach = 2.0226909 * interval.std_error
    assert interval.ci_high - interval.estimate == pytest.approx(reach, rel=1e-6)


def test_degrees_of_freedom_shrink_when_few_users_carry_a_treatment():
    even = make_world(np.random.default_rng(12), users=4000, concentration=0.0)
    heavy = make_world(np.random.default_rng(12), users=300, concentration=1.6)
    weights = np.eye(6)[0]
    assert estimate(even.moments()).degrees(weights) > 25
    assert estimate(heavy.moments()).degrees(weights) < 12


def test_degrees_of_a_contrast_lie_between_those_of_its_sides():
    """Sides carried by 4 and 25 clusters: alone 3 and 24, together by their shares of variance."""
    fit = replace(
        estimate(make_world(np.random.default_rng(20)).moments(), treatments=TREATMENTS[:2]),
        effective_clusters=np.array([4.0, 25.0]), bread=np.diag([0.03, 0.01]), clusters=40,
    )  # fmt: skip
    assert fit.degrees(np.array([1.0, 0.0])) == pytest.approx(3)
    assert fit.degrees(np.array([0.0, 1.0])) == pytest.approx(24)
    both = (0.75 / 2 + 0.25 / 5) ** -2 - 1
    assert fit.degrees(np.array([1.0, -1.0])) == pytest.approx(both)
    even = replace(fit, effective_clusters=np.array([4.0, 4.0]))
    assert even.degrees(np.array([1.0, -2.0])) == pytest.approx(3)
    assert replace(fit, clusters=3).degrees(np.array([1.0, -1.0])) == pytest.approx(2)


def test_variance_left_is_the_residual_share_of_the_variance_about_the_mean():
    world = make_world(np.random.default_rng(22), rows=3000)
    world.d[:, 0] = world.x[:, 0] > -2.0  # almost everyone
    fit = estimate(world.moments(), penalty=1e-9)
    fold = world.bucket(BUCKETS) % FOLDS
    residual = np.empty(3000)
    for k in range(FOLDS):
        x = np.column_stack([np.ones(3000), world.x])
        beta, *_ = np.linalg.lstsq(x[fold != k], world.d[fold != k, 0], rcond=None)
        residual[fold == k] = world.d[fold == k, 0] - x[fold == k] @ beta
    expected = (residual**2).sum() / (3000 * world.d[:, 0].var())
    assert fit.variance_left[0] == pytest.approx(expected, rel=1e-6)


def test_robustness_value_is_that_of_the_source_for_one_treatment():
    import statsmodels.api as sm

    world = make_world(np.random.default_rng(13), rows=1000)
    fit = estimate(world.moments(), treatments=TREATMENTS[:1], penalty=1e-9)
    target = np.column_stack([world.d[:, 0], world.y])
    held = world.bucket(BUCKETS) % FOLDS
    residual = np.empty_like(target)
    for k in range(FOLDS):
        x = sm.add_constant(world.x)
        beta, *_ = np.linalg.lstsq(x[held != k], target[held != k], rcond=None)
        residual[held == k] = target[held == k] - x[held == k] @ beta
    r2 = np.corrcoef(residual.T)[0, 1] ** 2
    f2 = r2 / (1 - r2)
    expected = 0.5 * (np.sqrt(f2**2 + 4 * f2) - f2)
    assert robustness_value(fit, np.ones(1)) == pytest.approx(expected, rel=1e-3)


def test_a_constant_treatment_is_refused():
    world = make_world(np.random.default_rng(14), rows=500)
    world.d[:, 0] = 0.0
    with pytest.raises(EstimationError, match="sound__positive"):
        estimate(world.moments())


def test_twin_treatments_are_refused_by_name():
    world = make_world(np.random.default_rng(15), rows=500)
    world.d[:, 2] = world.d[:, 0]
    with pytest.raises(EstimationError, match=r"sound__positive.*price__positive"):
        estimate(world.moments())


def test_collinear_controls_need_a_penalty():
    world = make_world(np.random.default_rng(16), rows=500)
    world.x[:, 1] = 2 * world.x[:, 0]
    with pytest.raises(EstimationError, match="penalty above 0"):
        estimate(world.moments(), penalty=0.0)
    assert np.isfinite(estimate(world.moments(), penalty=1.0).theta).all()


def test_one_user_is_refused():
    world = make_world(np.random.default_rng(17), rows=200, users=1)
    with pytest.raises(EstimationError, match="more users"):
        estimate(world.moments())


def test_an_unknown_column_is_named():
    with pytest.raises(EstimationError, match="nonsense"):
        estimate(make_world(np.random.default_rng(18)).moments(), controls=["nonsense"])


def test_folds_of_a_table_are_balanced_and_free_of_row_order():
    names = [f"c{i}" for i in range(23)]
    fold = dict(zip(names, assign_folds(names, 5), strict=True))
    again = dict(zip(names[::-1], assign_folds(names[::-1], 5), strict=True))
    assert fold == again
    assert sorted(np.bincount(list(fold.values()))) == [4, 4, 5, 5, 5]


def test_averaging_one_fit_changes_nothing():
    fit = estimate(make_world(np.random.default_rng(19)).moments())
    mean = average_fits([fit, fit])
    np.testing.assert_allclose(mean.theta, fit.theta)
    np.testing.assert_allclose(mean.cov, fit.cov)


def test_an_interval_needs_a_degree_of_freedom():
    with pytest.raises(EstimationError, match="at least 2 clusters"):
        t_quantile(0, 0.95)
