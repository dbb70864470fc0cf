"""Experiments of known truth, against statsmodels and by simulation."""

import numpy as np
import pytest
import statsmodels.api as sm

from tasks.effects.experiment import (
    check_balance,
    check_sample_ratio,
    estimate_cuped,
    estimate_lin,
    estimate_means,
    pool_tests,
)
from tasks.effects.intervals import Interval
from tasks.platform.errors import ConfigError

SAME = 1e-5
"""The ridge of 1e-6 a row that keeps collinear covariates solvable moves estimates by less."""
LOOSE = 0.03
"""Our variances also count the sampling of covariates, and other small-sample factors."""


def make_trial(rng, n=1000, *, effect=0.5, slope=1.0, varies=0.0, share=0.5):
    """y = slope x1 + (effect + varies x1) d + noise; the average effect is `effect`."""
    x = rng.normal(size=(n, 2))
    d = (rng.random(n) < share).astype(np.int64)
    y = slope * x[:, 0] + (effect + varies * x[:, 0]) * d + rng.normal(size=n)
    return y, d, x, np.arange(n)


def lin_of(y, d, x, cluster, weights=None):
    weights = np.ones(len(y)) if weights is None else weights
    return estimate_lin(y, d, x, cluster, weights=weights, confidence=0.95)


def test_lin_equals_the_interacted_regression():
    y, d, x, rows = make_trial(np.random.default_rng(1))
    centred = x - x.mean(axis=0)
    design = sm.add_constant(np.column_stack([d, centred, d[:, None] * centred]))
    peer = sm.OLS(y, design).fit(cov_type="HC1")
    ours = lin_of(y, d, centred, rows)
    assert ours.estimate == pytest.approx(peer.params[1], abs=SAME)
    assert ours.std_error == pytest.approx(peer.bse[1], rel=LOOSE)


def test_cuped_equals_regression_without_interactions_up_to_its_two_steps():
    y, d, x, rows = make_trial(np.random.default_rng(2))
    peer = sm.OLS(y, sm.add_constant(np.column_stack([d, x]))).fit(cov_type="HC1")
    ours = estimate_cuped(y, d, x, rows, confidence=0.95)
    assert ours.estimate == pytest.approx(peer.params[1], abs=5e-3)
    assert ours.std_error == pytest.approx(peer.bse[1], rel=LOOSE)


def test_plain_means_are_the_difference_with_welch_errors():
    y, d, _, rows = make_trial(np.random.default_rng(3), n=300, share=0.2)
    ours = estimate_means(y, d, rows, confidence=0.95)
    arms = y[d == 1], y[d == 0]
    assert ours.estimate == pytest.approx(arms[0].mean() - arms[1].mean(), abs=1e-12)
    welch = np.sqrt(sum(arm.var(ddof=1) / len(arm) for arm in arms))
    assert ours.std_error == pytest.approx(welch, rel=LOOSE)


def test_adjusting_sharpens_and_does_not_shift():
    y, d, x, rows = make_trial(np.random.default_rng(4), slope=3.0)
    plain = estimate_means(y, d, rows, confidence=0.95)
    for sharp in (lin_of(y, d, x, rows), estimate_cuped(y, d, x, rows, confidence=0.95)):
        assert sharp.std_error < 0.4 * plain.std_error
        assert abs(sharp.estimate - 0.5) < 3 * sharp.std_error


def test_effects_on_the_treated_follow_who_they_are():
    """Effect 0.5 + x1, dealt out by chance; weighted to x1 > 0 it is 0.5 + E[x1 | x1 > 0]."""
    rng = np.random.default_rng(5)
    y, d, x, rows = make_trial(rng, n=20_000, varies=1.0)
    ours = lin_of(y, d, x, rows, weights=(x[:, 0] > 0).astype(float))
    assert abs(ours.estimate - (0.5 + np.sqrt(2 / np.pi))) < 3 * ours.std_error


@pytest.mark.parametrize("method", ["lin", "cuped", "means"])
def test_intervals_cover_with_clusters(method):
    """200 trials randomised by cluster; 95% of 200 lies within 183 to 197 in all but 1 of 500 runs."""
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        cluster = rng.integers(0, 60, 400)
        d = rng.permutation(np.arange(60) % 2)[cluster]
        x = rng.normal(size=(400, 2))
        y = 0.3 * d + x[:, 0] + rng.normal(scale=0.4, size=60)[cluster] + rng.normal(size=400)
        ways = {
            "lin": lambda: lin_of(y, d, x, cluster),  # noqa: B023
            "cuped": lambda: estimate_cuped(y, d, x, cluster, confidence=0.95),  # noqa: B023
            "means": lambda: estimate_means(y, d, cluster, confidence=0.95),  # noqa: B023
        }
        interval = ways[method]()
        covered += interval.ci_low <= 0.3 <= interval.ci_high
    assert 180 <= covered <= 198


def test_a_sample_ratio_mismatch_is_not_credible():
    arms = np.repeat([1, 0], [5200, 4800])
    ((verdict, reason),) = check_sample_ratio(arms, 0.5)
    assert verdict == "not credible"
    assert "52.00%" in reason
    assert check_sample_ratio(arms, 0.52) == []
    assert "not checked" in check_sample_ratio(arms, None)[0][1]
    with pytest.raises(ConfigError, match="between 0 and 1"):
        check_sample_ratio(arms, 1.5)


def test_covariates_that_predict_a_random_treatment_are_found():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(2000, 3))
    assert check_balance(x, rng.integers(0, 2, 2000)) == []
    dealt_by_x = (x[:, 0] + rng.normal(size=2000) > 0).astype(np.int64)
    assert check_balance(x, dealt_by_x)[0][0] == "not credible"


def test_treatments_dealt_out_by_cluster_are_counted_by_cluster():
    """Of 200 right experiments on users with 5 to 60 rows each none is called broken, of two broken ones both."""
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        user = np.repeat(np.arange(200), rng.integers(5, 60, 200))
        arms, x = rng.integers(0, 2, 200)[user], rng.normal(size=(200, 2))[user]
        alarms += bool(check_sample_ratio(arms, 0.5, cluster=user))
        alarms += bool(check_balance(x, arms, cluster=user))
    assert alarms <= 2  # p < 0.001 each
    lost = (rng.random(200) < 0.3).astype(np.int64)[user]
    assert check_sample_ratio(lost, 0.5, cluster=user)[0][0] == "not credible"
    by_x = (x[:, 0] > 0.2).astype(np.int64)
    assert check_balance(x, by_x, cluster=user)[0][0] == "not credible"
    assert check_balance(x[:, :0], by_x, cluster=user) == []


def test_pooling_weighs_precise_tests_and_sees_that_tests_differ():
    same = [Interval(0.5, 0.1, 0, 0, 0), Interval(0.52, 0.2, 0, 0, 0)]
    pooled = pool_tests(same, confidence=0.95)
    assert pooled.between == 0
    assert pooled.interval.estimate == pytest.approx((0.5 * 4 + 0.52) / 5)
    assert pooled.interval.std_error == pytest.approx(1 / np.sqrt(125))
    assert pooled.share == pytest.approx([0.8, 0.2])
    apart = pool_tests([Interval(0.0, 0.1, 0, 0, 0), Interval(2.0, 0.1, 0, 0, 0)], confidence=0.95)
    assert apart.q_p_value < 1e-6
    assert apart.interval.std_error > 0.9
    assert apart.interval.ci_high - apart.interval.ci_low > 20  # one degree of freedom
    with pytest.raises(ConfigError, match="at least 2"):
        pool_tests(same[:1], confidence=0.95)


@pytest.mark.parametrize(("between", "least"), [(0.0, 0.94), (1.0, 0.92), (2.0, 0.93)])
def test_pooled_intervals_hold_the_mean_of_all_such_tests(between: float, least: float):
    """Of five tests; by the normal distribution they hold .90 where these differ."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1_000):
        errors = rng.uniform(0.5, 1.5, 5)
        found = rng.normal(size=5) * between + rng.normal(size=5) * errors
        tests = [Interval(float(e), float(s), 0, 0, 0) for e, s in zip(found, errors, strict=True)]
        pooled = pool_tests(tests, confidence=0.95).interval
        held += pooled.ci_low <= 0 <= pooled.ci_high
    assert least < held / 1_000 < 0.98
