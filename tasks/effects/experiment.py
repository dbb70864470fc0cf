"""Randomised experiments: differences in means, sharpened by covariates, and their health checks.

lin     regression in each arm on covariates (Lin 2013, "Agnostic notes on regression adjustments to
        experimental data"): never less precise than the plain difference in large samples
cuped   the difference in means of the outcome less what covariates predict of it (Deng, Xu, Kohavi
        & Walker 2013, "Improving the sensitivity of online controlled experiments")

A sample-ratio mismatch (Fabijan et al. 2019) or covariates that predict the treatment say that the
randomisation was broken on the way; no adjustment mends that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.credibility import Finding
from tasks.effects.intervals import Interval, make_interval
from tasks.effects.moments import IntArray
from tasks.effects.ridge import fit_ridge_arm
from tasks.platform.errors import ConfigError

RATIO_P = 0.001
BALANCE_P = 0.001
_RIDGE = 1e-6


@dataclass(frozen=True, eq=False)
class Pooled:
    """Several tests as one: random effects over their estimates.

    `q_p_value` is Cochran's test that all tests share one effect, `between` the deviation of true
    effects between tests (DerSimonian & Laird 1986), in outcome units. `share` is the part that each
    test has in the estimate, shape (tests,), of sum 1.
    """

    interval: Interval
    q_p_value: float
    between: float
    share: FloatArray


def estimate_lin(
    outcome: FloatArray,
    is_treated: IntArray,
    controls: FloatArray,
    cluster: IntArray,
    *,
    weights: FloatArray,
    confidence: float,
) -> Interval:
    """Average over rows with `weights` (n,) of the difference of two arms' regressions.

    `controls` (n, p) are centred and scaled. The variance is that of the influence, summed by
    `cluster` (n,), so that the covariates' own sampling counts.
    """
    design = np.column_stack([np.ones(len(outcome)), controls])
    share = weights / weights.mean()
    gap, pull = np.zeros(len(outcome)), np.zeros(len(outcome))
    mean_row = (share[:, None] * design).mean(axis=0)
    used = 0
    for arm, sign in ((1, 1.0), (0, -1.0)):
        rows = is_treated == arm
        fitted, leverage = fit_ridge_arm(
            design, outcome, rows, target=mean_row, penalty=_RIDGE * int(rows.sum())
        )
        gap += sign * fitted
        pull[rows] += sign * leverage[rows] * (outcome - fitted)[rows]
        used += design.shape[1]
    estimate = float((share * gap).mean())
    influence = pull + share * (gap - estimate) / len(outcome)
    return _clustered(estimate, influence, cluster, confidence=confidence, used=used)


def estimate_cuped(
    outcome: FloatArray,
    is_treated: IntArray,
    controls: FloatArray,
    cluster: IntArray,
    *,
    confidence: float,
) -> Interval:
    """Difference in means of what covariates do not predict of the outcome, one slope for all."""
    within = np.column_stack([controls, outcome])
    for arm in (0, 1):
        within[is_treated == arm] -= within[is_treated == arm].mean(axis=0)
    gram = within.T @ within
    p = controls.shape[1]
    slope = np.linalg.solve(gram[:p, :p] + _RIDGE * len(outcome) * np.eye(p), gram[:p, p])
    left = outcome - (controls - controls.mean(axis=0)) @ slope
    return estimate_means(left, is_treated, cluster, confidence=confidence, used=p)


def estimate_means(
    outcome: FloatArray,
    is_treated: IntArray,
    cluster: IntArray,
    *,
    confidence: float,
    used: int = 0,
) -> Interval:
    """Plain difference in means, each arm with its own variance, clustered."""
    influence = np.zeros(len(outcome))
    means = []
    for arm, sign in ((1, 1.0), (0, -1.0)):
        rows = is_treated == arm
        means.append(float(outcome[rows].mean()))
        influence[rows] = sign * (outcome[rows] - means[-1]) / rows.sum()
    return _clustered(means[0] - means[1], influence, cluster, confidence=confidence, used=used + 2)


def check_sample_ratio(
    is_treated: IntArray, expected_share: float | None, *, cluster: IntArray | None = None
) -> list[Finding]:
    """Whether the arms are as large as they were meant to be.

    Where rows share a `cluster` (n,) they may have been dealt out together: what counts then is how
    far each cluster's rows are from their share. Raises ConfigError for a share outside (0, 1).
    """
    from scipy.stats import binomtest

    if expected_share is None:
        return [("credible", "the sample ratio was not checked: no expected share was given")]
    if not 0 < expected_share < 1:
        raise ConfigError(f"the expected share is {expected_share:g}; allowed is between 0 and 1")
    treated, n = int(is_treated.sum()), len(is_treated)
    if cluster is None or _are_alone(cluster):
        p_value = float(binomtest(treated, n, expected_share).pvalue)
    else:
        away: FloatArray = is_treated.astype(np.float64) - expected_share
        p_value = _test_scores(away[:, None], cluster)
    if p_value >= RATIO_P:
        return []
    said = (
        f"sample-ratio mismatch: {treated:,} of {n:,} rows are treated ({treated / n:.2%}), where "
        f"{expected_share:.2%} were meant (p = {p_value:.1g}); find out which rows were lost"
    )
    return [("not credible", said)]


def check_balance(
    controls: FloatArray, is_treated: IntArray, *, cluster: IntArray | None = None
) -> list[Finding]:
    """Whether covariates predict a treatment that chance should have dealt out (F test).

    Where rows share a `cluster` (n,) they may have been dealt out together, and clusters are counted.
    """
    if cluster is None or _are_alone(cluster):
        p_value = _test_regression(controls, is_treated)
    else:
        away = controls - controls.mean(axis=0)
        p_value = _test_scores(away * (is_treated - is_treated.mean())[:, None], cluster)
    if p_value >= BALANCE_P:
        return []
    said = (
        f"covariates predict the treatment (p = {p_value:.1g}), which chance would not: the "
        "randomisation does not hold in these rows"
    )
    return [("not credible" if p_value < 1e-6 else "weak", said)]


def _are_alone(cluster: IntArray) -> bool:
    return len(np.unique(cluster)) == len(cluster)


def _test_regression(controls: FloatArray, is_treated: IntArray) -> float:
    """P value of the F test that no control (n, p) predicts the treatment; 1 where it cannot be made."""
    from scipy.stats import f as f_distribution

    n, p = controls.shape
    if p == 0 or n < 3 * (p + 1):
        return 1.0
    design = np.column_stack([np.ones(n), controls])
    fitted = design @ np.linalg.lstsq(design, is_treated.astype(float), rcond=None)[0]
    left = float(((is_treated - fitted) ** 2).sum())
    explained = float(((fitted - is_treated.mean()) ** 2).sum())
    rank = int(np.linalg.matrix_rank(design)) - 1
    if rank < 1 or left <= 0:
        return 1.0
    return float(f_distribution.sf(explained / rank / (left / (n - rank - 1)), rank, n - rank - 1))


def _test_scores(scores: FloatArray, cluster: IntArray) -> float:
    """P value of the F test that scores (n, p), summed by cluster, have mean 0 (Hotelling 1931).

    1 where there are too few clusters, or nothing varies.
    """
    from scipy.stats import f as f_distribution

    if not scores.size:
        return 1.0
    codes = np.unique(cluster, return_inverse=True)[1]
    sums = np.column_stack([np.bincount(codes, column) for column in scores.T])
    groups, p = len(sums), int(np.linalg.matrix_rank(sums))
    if p == 0 or groups < 3 * (p + 1):
        return 1.0
    total = sums.sum(axis=0)
    inverse = np.linalg.pinv(sums.T @ sums, rcond=1e-10, hermitian=True)
    share = min(float(total @ inverse @ total) / groups, 1.0)
    if share >= 1:
        return 0.0
    return float(f_distribution.sf(share / p / ((1 - share) / (groups - p)), p, groups - p))


def pool_tests(intervals: Sequence[Interval], *, confidence: float) -> Pooled:
    """One effect over several tests, random effects; needs at least two.

    Weights are those of DerSimonian & Laird (1986). Where the tests' effects are seen to differ, the
    error is Hartung & Knapp's (2001) but never the smaller of the two (Röver, Knapp & Friede 2015),
    with as many degrees of freedom as tests, less one; else it is that of one effect common to all,
    as the Cochrane Handbook (6.5, section 10.10.4) has it.
    """
    from scipy.stats import chi2

    if len(intervals) < 2:
        raise ConfigError(f"{len(intervals)} test to pool; at least 2 are needed")
    estimates = np.array([one.estimate for one in intervals])
    variances = np.array([one.std_error**2 for one in intervals])
    fixed = 1 / variances
    mean = float(fixed @ estimates / fixed.sum())
    q = float(fixed @ (estimates - mean) ** 2)
    degrees = len(intervals) - 1
    scale = float(fixed.sum() - (fixed**2).sum() / fixed.sum())
    between = max((q - degrees) / scale, 0.0)
    share = 1 / (variances + between)
    pooled = float(share @ estimates / share.sum())
    spread = float(share @ (estimates - pooled) ** 2) / degrees
    interval = make_interval(
        pooled,
        float(np.sqrt(max(spread, 1.0) / share.sum())),
        degrees=degrees if between > 0 else 1e6,
        confidence=confidence,
    )
    return Pooled(
        interval, float(chi2.sf(q, degrees)), float(np.sqrt(between)), share / share.sum()
    )


def _clustered(
    estimate: float, influence: FloatArray, cluster: IntArray, *, confidence: float, used: int
) -> Interval:
    """Interval from influences (n,) that sum over clusters to what each moves the estimate by."""
    sums = np.bincount(cluster, weights=influence)
    groups = int((np.bincount(cluster) > 0).sum())
    spare = max(min(groups - 1, len(influence) - used), 1)
    small = np.sqrt(groups / max(groups - 1, 1) * len(influence) / max(len(influence) - used, 1))
    error = float(np.sqrt((sums**2).sum()) * small)
    return make_interval(estimate, error, degrees=spare, confidence=confidence)
