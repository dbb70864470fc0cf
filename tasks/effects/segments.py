"""Segments: effects by user cluster, item category or any other column, and whether they differ.

Moments are split by level of the segment as well as by bucket of users; summed over the levels they
are the ordinary ones, and they add over days in the same way. Outcome and treatments are
residualised by the fits of the *pooled* rows: what a segment lacks in rows it borrows, and the
segment's dummies, or what makes them, belong among the controls. Within each level the residual
outcome is then regressed on all residual treatments and an intercept of its own, so that a mean
difference between segments confounds no effect even where the dummies are missing or shrunk.

A user may appear in several segments (of items, say), so the effects of two segments are not
independent: every bucket of users is left out of all of them at once, and the covariance between
segments is counted in their comparison.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from tasks.effects.basis import MISSING, OTHER, Basis, FloatArray, read_levels
from tasks.effects.intervals import Interval
from tasks.effects.moments import (
    Device,
    IntArray,
    Moments,
    build_design,
    compute_moments,
    decode_moments,
    encode_moments,
    stable_bucket,
    sum_moments,
)
from tasks.effects.penalty import Penalty
from tasks.effects.plr import Fit, Nuisances, Residuals, fit_nuisances, solve_residuals
from tasks.platform.errors import EstimationError, InputError

_BLOCK_ROWS: Final = 200_000
_LONE_CLUSTER: Final = 0.9
"""A treatment that one bucket carries beyond this share is not estimated in that segment."""


@dataclass(frozen=True, eq=False)
class SegmentMoments:
    """Moments split by level: bucket b of level l is bucket l * B + b of `moments`."""

    levels: tuple[str, ...]
    moments: Moments

    @property
    def n_buckets(self) -> int:
        """B, the buckets of users, the same in every level."""
        return self.moments.n_buckets // len(self.levels)

    @cached_property
    def pooled(self) -> Moments:
        """Moments of all levels together, with B buckets."""
        shape = (len(self.levels), self.n_buckets)
        packed = self.moments.packed.reshape(*shape, -1).sum(axis=0)
        return replace(self.moments, packed=packed, rows=self.moments.rows.reshape(shape).sum(0))

    def of_level(self, level: str) -> Moments:
        """Moments of one level, with B buckets."""
        start = self.levels.index(level) * self.n_buckets
        part = slice(start, start + self.n_buckets)
        return replace(self.moments, packed=self.moments.packed[part], rows=self.moments.rows[part])

    def to_bytes(self) -> bytes:
        """As a safetensors file: the same moments give the same bytes."""
        return encode_moments(self.moments, levels=self.levels)

    @staticmethod
    def from_bytes(blob: bytes) -> "SegmentMoments":
        """Read back what `to_bytes` wrote; raises InputError for anything else."""
        moments, levels = decode_moments(blob)
        if not levels or moments.n_buckets % len(levels):
            raise InputError("these moments are not split by segment; compute them anew")
        return SegmentMoments(levels, moments)


@dataclass(frozen=True)
class SegmentEffect:
    """A contrast in one segment; `interval` is None where there is no number, `reason` says why."""

    level: str
    n: int
    interval: Interval | None
    reason: str | None


@dataclass(frozen=True)
class Heterogeneity:
    """Wald test that the segments share one effect: F with `degrees` (numerator, denominator)."""

    statistic: float
    degrees: tuple[float, float]
    p_value: float


@dataclass(frozen=True)
class SegmentedContrast:
    """A contrast in every segment; `heterogeneity` is None where it cannot be tested."""

    effects: tuple[SegmentEffect, ...]
    heterogeneity: Heterogeneity | None


@dataclass(frozen=True, eq=False)
class SegmentFits:
    """The fit of each level, or the reason why there is none.

    `refused` maps a level to the treatments that it cannot tell about, with the reason. `penalties`
    (K, m + 1) are those of the pooled nuisance fits. `squares` holds, for each level, the Gram
    matrices (B, m, m) of its buckets' residual treatments.
    """

    levels: tuple[str, ...]
    rows: tuple[int, ...]
    fits: dict[str, Fit]
    squares: dict[str, FloatArray]
    refused: dict[str, dict[str, str]]
    penalties: FloatArray

    def compare(self, wanted: dict[str, float], *, confidence: float = 0.95) -> SegmentedContrast:
        """The contrast `wanted` (weights by treatment) in every segment, and their difference."""
        effects, known = [], []
        for level, n in zip(self.levels, self.rows, strict=True):
            reasons = [self.refused[level][t] for t in wanted if t in self.refused[level]]
            if reasons:
                effects.append(SegmentEffect(level, n, None, "; ".join(dict.fromkeys(reasons))))
                continue
            fit = self.fits[level]
            interval = fit.interval(fit.weights(wanted), confidence=confidence)
            effects.append(SegmentEffect(level, n, interval, None))
            known.append(level)
        test = _test_equality(
            [self.fits[level] for level in known], [self.squares[level] for level in known], wanted
        )
        return SegmentedContrast(tuple(effects), test)


def choose_levels(values: pl.Series, *, max_levels: int = 10) -> tuple[str, ...]:
    """The most frequent levels of a column, then "(other)" and "(missing)"; to be frozen.

    Moments split by different levels do not add, so the caller chooses once and keeps them.
    """
    counts = read_levels(values).rename("level").value_counts()
    known = counts.filter(~pl.col("level").is_in([OTHER, MISSING]))
    known = known.sort(["count", "level"], descending=[True, False])
    return (*known["level"].to_list()[:max_levels], OTHER, MISSING)


def encode_levels(values: pl.Series, levels: Sequence[str]) -> IntArray:
    """Position of each value among `levels`, shape (n,); what is not there counts as "(other)"."""
    if OTHER not in levels or MISSING not in levels:
        raise InputError(f"segment levels need {OTHER} and {MISSING}, found {list(levels)}")
    codes = read_levels(values).replace_strict(
        list(levels), list(range(len(levels))), default=levels.index(OTHER), return_dtype=pl.Int64
    )
    return codes.to_numpy().astype(np.int64)


def split_moments(
    design: FloatArray,
    bucket: IntArray,
    level: IntArray,
    *,
    columns: Sequence[str],
    levels: Sequence[str],
    n_buckets: int,
    basis_sha256: str = "",
    device: Device = "cpu",
) -> SegmentMoments:
    """Reduce `design` (n, q) to Gram matrices by `level` (n,), codes of `levels`, and `bucket`.

    Raises EstimationError as `compute_moments` does.
    """
    if bucket.size and (bucket.min() < 0 or bucket.max() >= n_buckets):
        raise EstimationError(f"buckets run to {bucket.max()}; allowed are 0 to {n_buckets - 1}")
    moments = compute_moments(
        design, level * n_buckets + bucket, columns=columns, n_buckets=n_buckets * len(levels),
        basis_sha256=basis_sha256, device=device,
    )  # fmt: skip
    return SegmentMoments(tuple(levels), moments)


def split_panel_moments(
    panel: pl.DataFrame,
    basis: Basis,
    *,
    segment: str,
    levels: Sequence[str],
    treatments: Sequence[str],
    outcome: str,
    n_buckets: int,
    cluster: str = "user_id",
    block_rows: int = _BLOCK_ROWS,
    device: Device = "cpu",
) -> SegmentMoments:
    """Moments of a panel split by its column `segment`, `block_rows` rows at a time."""
    parts = []
    for start in range(0, max(panel.height, 1), block_rows):
        block = panel.slice(start, block_rows)
        design, columns = build_design(block, basis, treatments=treatments, outcome=outcome)
        parts.append(
            split_moments(
                design, stable_bucket(block[cluster], n_buckets),
                encode_levels(block[segment], levels), columns=columns, levels=levels,
                n_buckets=n_buckets, basis_sha256=basis.sha256, device=device,
            )
        )  # fmt: skip
    return sum_segments(parts)


def sum_segments(batches: Iterable[SegmentMoments]) -> SegmentMoments:
    """Moments of all rows of all batches; those split by other levels do not add."""
    listed = list(batches)
    if len({batch.levels for batch in listed}) > 1:
        raise EstimationError(
            "moments split by different segment levels do not add; freeze the levels once"
        )
    total = sum_moments(batch.moments for batch in listed)
    return SegmentMoments(listed[0].levels, total)


def estimate_segments(
    segments: SegmentMoments,
    *,
    treatments: Sequence[str],
    outcome: str,
    controls: Sequence[str],
    folds: int = 5,
    penalty: Penalty = 1.0,
) -> SegmentFits:
    """Effects of `treatments` in every segment, given `controls`, from pooled nuisance fits.

    A treatment that does not vary in a segment, or that one bucket of users carries there, is left
    out of that segment's regression, and named in `refused`. Raises EstimationError when the pooled
    fits cannot be made.
    """
    nuisances = fit_nuisances(
        segments.pooled, treatments=treatments, outcome=outcome, controls=controls, folds=folds,
        penalty=penalty,
    )  # fmt: skip
    fits: dict[str, Fit] = {}
    squares: dict[str, FloatArray] = {}
    refused: dict[str, dict[str, str]] = {}
    for level in segments.levels:
        residuals = _center_residuals(segments.of_level(level), nuisances)
        refused[level] = _find_unusable(residuals)
        usable = [i for i, name in enumerate(treatments) if name not in refused[level]]
        try:
            if usable:
                selected = _select(residuals, usable)
                fits[level] = solve_residuals(selected)
                squares[level] = selected.grams[:, :-1, :-1]
        except EstimationError as error:
            refused[level] |= {treatments[i]: str(error) for i in usable}
    rows = segments.moments.rows.reshape(len(segments.levels), -1).sum(axis=1)
    return SegmentFits(
        segments.levels, tuple(int(n) for n in rows), fits, squares, refused, nuisances.penalties
    )


def _center_residuals(moments: Moments, nuisances: Nuisances) -> Residuals:
    """Residuals of one segment's rows, about their means in the segment."""
    grams = nuisances.hold_out(moments, has_intercept=True)
    total = grams.sum(axis=0)
    means = total[0, 1:] / max(total[0, 0], 1.0)
    centre = np.vstack([-means, np.eye(len(means))])
    spread = _spread_within(moments, nuisances.treatments)
    return Residuals(
        nuisances.treatments, centre.T @ grams @ centre, spread, moments.n, nuisances.penalties
    )


def _spread_within(moments: Moments, treatments: Sequence[str]) -> FloatArray:
    """Sums of squares of the raw treatments about their means in the segment, shape (m,)."""
    at = [moments.columns.index(name) for name in treatments]
    sums = moments.grams[:, 0, at].sum(axis=0)
    squares = moments.grams[:, at, at].sum(axis=0)
    spread: FloatArray = squares - sums**2 / max(moments.n, 1)
    return np.where(spread > 1e-10 * squares, spread, 0.0)


def _find_unusable(residuals: Residuals) -> dict[str, str]:
    if residuals.n == 0:
        return dict.fromkeys(residuals.treatments, "no rows in this segment")
    found = {}
    shares = residuals.shares.max(axis=0)
    parts = zip(residuals.treatments, residuals.total_variance, shares, strict=True)
    for name, spread, share in parts:
        if spread <= 0:
            found[name] = f"{name} does not vary in this segment"
        elif share > _LONE_CLUSTER:
            found[name] = f"one group of users carries {share:.0%} of {name} in this segment"
    return found


def _select(residuals: Residuals, usable: Sequence[int]) -> Residuals:
    """The residuals of some treatments, and of the outcome."""
    at = np.r_[usable, residuals.grams.shape[1] - 1]
    return Residuals(
        tuple(residuals.treatments[i] for i in usable),
        residuals.grams[:, at[:, None], at[None, :]],
        residuals.total_variance[list(usable)],
        residuals.n,
    )


def _test_equality(
    fits: Sequence[Fit], squares: Sequence[FloatArray], wanted: dict[str, float]
) -> Heterogeneity | None:
    """Whether the contrast is the same in all `fits`, their errors joint by bucket of users.

    With a covariance estimated from few clusters the Wald statistic W of q restrictions is nearer
    Hotelling's T² than chi-squared: F = (v - q + 1) / (v q) W has q and v - q + 1 degrees of freedom
    (Pustejovsky & Tipton 2018, "Small-sample methods for cluster-robust variance estimation and
    hypothesis testing in fixed effects models"). None with fewer than two fits, or more of them
    than v carries.
    """
    if len(fits) < 2:
        return None
    weights = [fit.weights(wanted) for fit in fits]
    values = np.array([w @ fit.theta for fit, w in zip(fits, weights, strict=True)])
    moved = np.column_stack([fit.influence @ w for fit, w in zip(fits, weights, strict=True)])
    restrict = _compare_to_first(len(fits))
    working = np.column_stack(
        [_working_variance(*parts) for parts in zip(fits, squares, weights, strict=True)]
    )
    try:
        carried = _count_degrees(working, restrict)
    except np.linalg.LinAlgError:  # segments so small that nothing is left to err
        return None
    return _test_apart(values, moved, restrict, carried)


def check_equality(effects: FloatArray, influence: FloatArray) -> Heterogeneity | None:
    """Whether L effects (L,) are the same; `influence` (L, G) is that of each cluster on each.

    The Wald test of `SegmentFits.compare` with G - 1 degrees of freedom; None for fewer than two
    effects, or more than the clusters carry.
    """
    count = influence.shape[-1]
    if len(effects) < 2 or count < 2:
        return None
    return _test_apart(
        effects,
        influence.T * np.sqrt(count / (count - 1)),
        _compare_to_first(len(effects)),
        count - 1,
    )


def _compare_to_first(count: int) -> FloatArray:
    """Restrictions (L - 1, L) that `count` effects equal the first of them."""
    return np.column_stack([-np.ones(count - 1), np.eye(count - 1)])


def _test_apart(
    values: FloatArray, moved: FloatArray, restrict: FloatArray, carried: float
) -> Heterogeneity | None:
    """The Wald test that `restrict` (q, L) of `values` (L,) are 0, with `carried` degrees of freedom v.

    `moved` (G, L) is what each cluster moves the values by. None where v does not carry the
    restrictions or they cannot be told apart.
    """
    from scipy.special import fdtrc

    restrictions = float(len(restrict))
    left = carried - restrictions + 1
    if left < 1:
        return None
    apart, spread = restrict @ values, moved @ restrict.T
    try:
        wald = float(apart @ np.linalg.solve(spread.T @ spread, apart))
    except np.linalg.LinAlgError:
        return None
    statistic = wald * left / (carried * restrictions)
    return Heterogeneity(
        statistic, (restrictions, left), float(fdtrc(restrictions, left, statistic))
    )


def _working_variance(fit: Fit, squares: FloatArray, weights: FloatArray) -> FloatArray:
    """What each bucket would add to a contrast's variance if all rows erred alike, shape (B,)."""
    lean = fit.bread @ weights
    shares = np.einsum("i,bij,j->b", lean, squares, lean)
    variance: FloatArray = shares * fit.residual_ss[0] / max(fit.n, 1)
    return variance


def _count_degrees(working: FloatArray, restrict: FloatArray) -> float:
    """Degrees of freedom v of the restrictions' covariance, from its variance under the model.

    `working` (B, L) are the buckets' shares, independent over segments. As in the source, v matches
    the total variance of the whitened covariance's entries to a Wishart's: with O_b the whitened
    share of bucket b, v = q (q + 1) / sum_b ((tr O_b)² + tr O_b²), less one as in `Fit.degrees`.
    """
    shares = np.einsum("ql,bl,rl->bqr", restrict, working, restrict)
    total = shares.sum(axis=0)
    whitened = np.linalg.solve(total, shares)
    trace = np.einsum("bqq->b", whitened)
    twice = np.einsum("bqr,brq->b", whitened, whitened)
    q = len(restrict)
    return q * (q + 1) / float((trace**2 + twice).sum()) - 1.0
