"""Partially linear regression by double machine learning, exactly, from Gram matrices.

The model is Y = D theta + g(X) + e. Outcome and treatments are residualised by ridge regressions
that were fitted on the other folds (Chernozhukov et al. 2018, "Double/debiased machine learning",
partialling-out score), and the residual outcome is regressed on the residual treatments. A ridge
fit needs only the Gram matrix of the training folds, and the last step and its clustered variance
only quadratic forms in the held-out Gram matrices, so the numbers equal those of the row-level
computation on the same folds.

Folds are made of user buckets (fold = bucket mod K), so a user is never on both sides of a fit.

Two modes. `joint` (the product's): Y and all D are residualised on X, then Y on all D together.
Contrasts such as positive minus negative come with their covariance, and only controls are shrunk,
never a rival treatment. `separate`: each treatment in turn, with the other treatments among the
controls and penalised like them, which is DoubleML's convention.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.intervals import Interval, contrast
from tasks.effects.moments import INTERCEPT, IntArray, Moments
from tasks.effects.penalty import Penalty, set_penalties
from tasks.effects.ridge import fit_projections, locate, sum_by_fold
from tasks.platform.errors import EstimationError

Variance = Literal["cr0", "cr1", "cr3"]
Mode = Literal["joint", "separate"]

_SINGULAR: Final = 1e-9
"""Smallest eigenvalue of a correlation matrix of residual treatments that is still solved."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Effects of m treatments on one outcome, with the influence of each of G clusters.

    `theta` (m,) in outcome units per unit of treatment. `influence` (G, m): what each cluster moves
    theta by, scaled so that `influence.T @ influence` is the covariance. `bread` (m, m) is the
    inverse of the residual treatments' Gram matrix (its diagonal's inverse in separate mode),
    `outcome_ss` and `residual_ss` (m,) the residual outcome's sum of squares before and after the
    treatments. `variance_left` (m,) is the share of a treatment's variance that the controls leave
    unexplained out of fold; `effective_clusters` (m,) counts the clusters that carry it:
    (sum of w)^2 / sum of w^2 over their shares w of the residual variance. `clusters` is the number
    of clusters with rows. `penalties` (K, m + 1) is the ridge penalty of each treatment, and last the
    outcome's, in each outer fold; None when nothing was residualised, and NaN where the fits of
    separate mode chose different ones for the outcome.
    """

    treatments: tuple[str, ...]
    theta: FloatArray
    influence: FloatArray
    bread: FloatArray
    outcome_ss: float
    residual_ss: FloatArray
    variance_left: FloatArray
    effective_clusters: FloatArray
    clusters: int
    n: int
    penalties: FloatArray | None = None

    @property
    def cov(self) -> FloatArray:
        """Cluster-robust covariance of theta, shape (m, m)."""
        cov: FloatArray = self.influence.T @ self.influence
        return cov

    @property
    def std_error(self) -> FloatArray:
        """Square roots of the diagonal of `cov`, shape (m,)."""
        error: FloatArray = np.sqrt((self.influence**2).sum(axis=0))
        return error

    def degrees(self, weights: FloatArray) -> float:
        """Degrees of freedom of the t quantile of a contrast, at least 1, at most clusters - 1.

        One less than the clusters that carry the contrast: G* = (sum of a)^2 / sum of a^2 over what
        each adds to its variance if all rows erred alike. Where a few users write most reviews,
        clusters - 1 would promise too much (Carter, Schnepel & Steigerwald 2017, "Asymptotic
        behavior of a t-test robust to cluster heterogeneity"); with the jackknife variance this
        keeps coverage near nominal. Of several treatments the a are taken to concentrate on the
        same clusters (Cauchy-Schwarz), so G* lies between those of the thinnest and the thickest.
        """
        parts = weights**2 * np.diag(self.bread)
        if parts.sum() <= 0:
            return max(float(self.clusters) - 1.0, 1.0)
        shares = parts / parts.sum()
        carried = 1 / float((shares / np.sqrt(np.maximum(self.effective_clusters, 1))).sum()) ** 2
        return max(min(carried, float(self.clusters)) - 1.0, 1.0)

    def interval(self, weights: FloatArray, *, confidence: float = 0.95) -> Interval:
        """Estimate and interval of the contrast `weights`, shape (m,)."""
        return contrast(
            self.theta, self.cov, weights, degrees=self.degrees(weights), confidence=confidence
        )

    def weights(self, contrast: dict[str, float]) -> FloatArray:
        """Weights of a contrast over `treatments`, shape (m,); an unknown one is refused."""
        unknown = sorted(set(contrast) - set(self.treatments))
        if unknown:
            raise EstimationError(f"no effect of {unknown}; estimated were {self.treatments}")
        return np.array([contrast.get(name, 0.0) for name in self.treatments])


@dataclass(frozen=True, eq=False)
class Residuals:
    """Gram matrices of out-of-fold residuals, treatments first and the outcome last.

    `grams` has shape (G, m + 1, m + 1), one a cluster; `total_variance` (m,) is the treatments' sum
    of squares about their means, `n` the rows, `penalties` (K, m + 1) those of the ridges.
    """

    treatments: tuple[str, ...]
    grams: FloatArray
    total_variance: FloatArray
    n: int
    penalties: FloatArray | None = None

    @property
    def variance_left(self) -> FloatArray:
        """Share of each treatment's variance that the controls leave, shape (m,)."""
        kept = np.einsum("gii->i", self.grams)[:-1]
        return divide(kept, self.total_variance)

    @property
    def shares(self) -> FloatArray:
        """Each cluster's share of a treatment's residual variance, shape (G, m)."""
        parts = np.einsum("gii->gi", self.grams)[:, :-1]
        return divide(parts, parts.sum(axis=0))


@dataclass(frozen=True, eq=False)
class Nuisances:
    """Out-of-fold predictions: Z @ maps[k] are the residuals of rows in fold k.

    `maps` (K, q, m + 1) over the q `columns`, the treatments first and the outcome last, and
    `penalties` (K, m + 1) those of the ridges.
    """

    treatments: tuple[str, ...]
    columns: tuple[str, ...]
    maps: FloatArray
    penalties: FloatArray

    def hold_out(self, moments: Moments, *, has_intercept: bool = False) -> FloatArray:
        """Gram matrices of the residuals of each bucket's rows, shape (B, m + 1, m + 1).

        With `has_intercept` the intercept comes first, and the shape is (B, m + 2, m + 2).
        """
        if moments.columns != self.columns:
            raise EstimationError("moments have other columns than those of the nuisance fits")
        maps = self.maps
        if has_intercept:
            ones = np.zeros((*maps.shape[:2], 1))
            ones[:, locate(self.columns, [INTERCEPT])] = 1.0
            maps = np.concatenate([ones, maps], axis=2)
        by_bucket = maps[np.arange(moments.n_buckets) % len(maps)]
        held_out: FloatArray = np.swapaxes(by_bucket, 1, 2) @ (moments.grams @ by_bucket)
        return held_out


def estimate_plr(
    moments: Moments,
    *,
    treatments: Sequence[str],
    outcome: str,
    controls: Sequence[str],
    folds: int = 5,
    penalty: Penalty = 1.0,
    mode: Mode = "joint",
    variance: Variance = "cr3",
) -> Fit:
    """Effects of `treatments` on `outcome` given `controls`, all at once.

    `penalty` "auto" is chosen for each target in each fold from the Gram matrices of the others.
    Raises EstimationError when a fold cannot be predicted from the others, or when a treatment does
    not vary, is explained by the controls, or cannot be told apart from another.
    """
    if mode == "separate":
        return _fit_separate(moments, treatments, outcome, controls, folds, penalty, variance)
    residuals = residualise(
        moments, treatments=treatments, outcome=outcome, controls=controls, folds=folds,
        penalty=penalty,
    )  # fmt: skip
    return solve_residuals(residuals, variance=variance)


def residualise(
    moments: Moments,
    *,
    treatments: Sequence[str],
    outcome: str,
    controls: Sequence[str],
    folds: int,
    penalty: Penalty,
) -> Residuals:
    """Residualise treatments and outcome on the controls, out of fold, bucket by bucket."""
    nuisances = fit_nuisances(
        moments, treatments=treatments, outcome=outcome, controls=controls, folds=folds,
        penalty=penalty,
    )  # fmt: skip
    held_out = nuisances.hold_out(moments)
    total = sum_columns(moments, [INTERCEPT, *treatments])
    return Residuals(
        treatments=nuisances.treatments,
        grams=held_out,
        total_variance=measure_spread(total, np.arange(1, len(total))),
        n=round(float(total[0, 0])),
        penalties=nuisances.penalties,
    )


def fit_nuisances(
    moments: Moments,
    *,
    treatments: Sequence[str],
    outcome: str,
    controls: Sequence[str],
    folds: int,
    penalty: Penalty,
) -> Nuisances:
    """Ridge of each treatment and the outcome on the controls, fold by fold on the other folds."""
    at = locate(moments.columns, [INTERCEPT, *controls])
    targets = locate(moments.columns, [*treatments, outcome])
    fold = np.arange(moments.n_buckets) % folds
    by_fold = sum_by_fold(moments.grams, fold, folds)
    penalties = set_penalties(by_fold, at, targets, penalty)
    maps = fit_projections(by_fold, at, targets, penalties)
    return Nuisances(tuple(treatments), moments.columns, maps, penalties)


def sum_columns(moments: Moments, names: Sequence[str]) -> FloatArray:
    """Gram matrix of a few columns over all buckets."""
    at = locate(moments.columns, names)
    total: FloatArray = moments.grams[:, at[:, None], at[None, :]].sum(axis=0)
    return total


def solve_residuals(residuals: Residuals, *, variance: Variance = "cr3") -> Fit:
    """Regress the residual outcome on all residual treatments jointly."""
    blocks = iter([residuals.grams])
    fit = solve_blocks(
        blocks,
        total=residuals.grams.sum(axis=0),
        treatments=residuals.treatments,
        variance=variance,
        variance_left=residuals.variance_left,
        effective_clusters=count_effective(residuals.shares),
        n=residuals.n,
    )
    return replace(fit, penalties=residuals.penalties)


def solve_blocks(
    blocks: Iterable[FloatArray],
    *,
    total: FloatArray,
    treatments: tuple[str, ...],
    variance: Variance,
    variance_left: FloatArray,
    effective_clusters: FloatArray,
    n: int,
) -> Fit:
    """The joint regression, its clusters arriving in blocks of shape (g, m + 1, m + 1).

    `total` is the sum over all of them.
    """
    square, cross = total[:-1, :-1], total[:-1, -1]
    check_rank(square, treatments)
    bread = np.linalg.inv(square).astype(np.float64)
    theta = np.linalg.solve(square, cross).astype(np.float64)
    parts = [_influence(block, square, cross, theta, variance) for block in blocks]
    raw = np.concatenate([part for part, _ in parts])
    clusters = sum(count for _, count in parts)
    residual_ss = float(total[-1, -1] - cross @ theta)
    return Fit(
        treatments=treatments,
        theta=theta,
        influence=raw * _small_sample(variance, clusters),
        bread=bread,
        outcome_ss=float(total[-1, -1]),
        residual_ss=np.full(len(theta), max(residual_ss, 0.0)),
        variance_left=variance_left,
        effective_clusters=effective_clusters,
        clusters=clusters,
        n=n,
    )


def robustness_value(fit: Fit, weights: FloatArray) -> float:
    """Share of residual variance, in [0, 1], that would bring the contrast to zero.

    How strongly an unobserved confounder would have to be related to treatment and to outcome,
    beyond the controls (Cinelli & Hazlett 2020, "Making sense of sensitivity", RV for q = 1).
    """
    estimate = float(weights @ fit.theta)
    spread = float(weights @ fit.bread @ weights)
    residual_ss = float(np.abs(weights) @ fit.residual_ss / np.abs(weights).sum())
    if residual_ss <= 0 or spread <= 0:
        return 1.0
    f2 = estimate**2 / (spread * residual_ss)
    return float((np.sqrt(f2**2 + 4 * f2) - f2) / 2)


def check_rank(square: FloatArray, treatments: Sequence[str]) -> None:
    """Raise EstimationError, naming them, when residual treatments do not vary or are collinear."""
    flat = [name for name, value in zip(treatments, np.diag(square), strict=True) if value <= 0]
    if flat:
        raise EstimationError(f"treatments {flat} do not vary once controls are accounted for")
    tied = find_collinear(square)
    if tied:
        names = [treatments[i] for i in tied]
        raise EstimationError(f"treatments {names} cannot be told apart; drop or merge one of them")


def find_collinear(square: FloatArray) -> list[int]:
    """Positions of residual treatments that are linear combinations of one another."""
    root = np.sqrt(np.diag(square))
    values, vectors = np.linalg.eigh(square / np.outer(root, root))
    null = vectors[:, values < _SINGULAR]
    return [int(i) for i in np.flatnonzero((null**2).sum(axis=1) > 1e-3)]


def measure_spread(gram: FloatArray, targets: IntArray) -> FloatArray:
    """Sums of squares about the mean, shape (m,); position 0 of `gram` is the intercept."""
    spread: FloatArray = np.diag(gram)[targets] - gram[0, targets] ** 2 / gram[0, 0]
    spread[spread < 1e-10 * np.diag(gram)[targets]] = 0.0
    return spread


def count_effective(shares: FloatArray) -> FloatArray:
    """How many equal parts shares (G, m) are worth (Kish), shape (m,)."""
    squares: FloatArray = (shares**2).sum(axis=0)
    return divide(np.ones_like(squares), squares)


def divide(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Part / whole, 0 where there is no whole."""
    ratio: FloatArray = part / np.where(whole > 0, whole, np.inf)
    return ratio


def _influence(
    block: FloatArray, square: FloatArray, cross: FloatArray, theta: FloatArray, variance: Variance
) -> tuple[FloatArray, int]:
    """Unscaled influence of the clusters of one block (0 if empty), and how many have rows.

    "cr3" is what leaving the cluster out moves theta by (the jackknife, nuisances held fixed);
    otherwise the first-order sandwich.
    """
    own_square, own_cross = block[:, :-1, :-1], block[:, :-1, -1]
    scores = own_cross - own_square @ theta
    is_filled = (block != 0).reshape(len(block), -1).any(axis=1)
    if variance != "cr3":
        moved = np.linalg.solve(square, scores.T).T
    else:
        try:
            moved = np.linalg.solve(square - own_square, scores[:, :, None])[:, :, 0]
        except np.linalg.LinAlgError as error:
            raise EstimationError(
                "all variation of a treatment comes from one cluster of users, so its uncertainty "
                "cannot be told; more users are needed"
            ) from error
    return np.where(is_filled[:, None], moved, 0.0), int(is_filled.sum())


def _small_sample(variance: Variance, clusters: int) -> float:
    if clusters < 2:
        raise EstimationError(
            f"a clustered variance needs at least 2 clusters with rows, found {clusters}; "
            "more users are needed"
        )
    factor = {"cr0": 1.0, "cr1": clusters / (clusters - 1), "cr3": (clusters - 1) / clusters}
    return float(np.sqrt(factor[variance]))


def _fit_separate(
    moments: Moments,
    treatments: Sequence[str],
    outcome: str,
    controls: Sequence[str],
    folds: int,
    penalty: Penalty,
    variance: Variance,
) -> Fit:
    """DoubleML's convention: one treatment at a time, the others penalised among the controls."""
    fits = [
        solve_residuals(
            residualise(
                moments, treatments=[name], outcome=outcome, folds=folds, penalty=penalty,
                controls=[*controls, *(other for other in treatments if other != name)],
            ),
            variance=variance,
        )
        for name in treatments
    ]  # fmt: skip
    return Fit(
        treatments=tuple(treatments),
        theta=np.concatenate([fit.theta for fit in fits]),
        influence=np.concatenate([fit.influence for fit in fits], axis=1),
        bread=np.diag([float(fit.bread[0, 0]) for fit in fits]),
        outcome_ss=max(fit.outcome_ss for fit in fits),
        residual_ss=np.concatenate([fit.residual_ss for fit in fits]),
        variance_left=np.concatenate([fit.variance_left for fit in fits]),
        effective_clusters=np.concatenate([fit.effective_clusters for fit in fits]),
        clusters=fits[0].clusters,
        n=fits[0].n,
        penalties=_gather_penalties([fit.penalties for fit in fits]),
    )


def _gather_penalties(pairs: Sequence[FloatArray | None]) -> FloatArray | None:
    """Penalties (K, m + 1) of m fits of one treatment each."""
    known = [pair for pair in pairs if pair is not None]
    if not known:
        return None
    outcome = known[0][:, -1].copy()
    is_shared = np.all([pair[:, -1] == outcome for pair in known], axis=0)
    outcome[~is_shared] = np.nan
    return np.column_stack([*(pair[:, 0] for pair in known), outcome])
