"""Effects of attributes that a reader sometimes misreads, corrected by a labelled sample.

A misread treatment biases its effect (towards zero when it errs at random, in any direction when it
errs with the outcome). With gold labels for a random sample of g of the n rows there are two ways to
the effects of the true labels, both by Gram matrices:

direct    the imputed Gram matrix of all rows plus n/g times (true - imputed) over the gold rows.
          Its expectation is that of the labels whatever the imputation model, and the better the
          model, the less noise the correction adds (prediction-powered inference, Angelopoulos et
          al. 2023, https://doi.org/10.1126/science.adi6000; cross-fitted, Zrnic & Candes 2024,
          https://doi.org/10.1073/pnas.2322083121; design-based supervised learning, Egami et al.
          2023, https://arxiv.org/abs/2306.04746). Each effect takes the mixture with the estimate
          from the gold rows alone that has the least variance, so it is never worse than that one.
imputed   the Gram matrix with labels drawn where there are none. Precise, and as right as the model.

`tasks.effects.shrink` puts them together: the imputed estimate counts as far as the direct one bears
it out, over all attributes at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.estimate import HEADLINE, Method, contrast_weights, screen_treatments
from tasks.effects.impute import Gold, Labels, Reading, draw_labels
from tasks.effects.moments import INTERCEPT, IntArray, Moments, compute_moments, sum_moments
from tasks.effects.panel import treatment_names
from tasks.effects.plr import Fit, residualise, solve_residuals
from tasks.effects.shrink import Shrunk, shrink
from tasks.platform.errors import EstimationError

MIN_GOLD: Final = 30
OUTCOME: Final = "outcome"
_GROUPS: Final = 10
_DRAWS: Final = 10
_CELLS: Final = 4_000_000
"""Rows times draws per model, at most: large tables need fewer draws a row."""
_BLOCK_ROWS: Final = 100_000
"""Rows whose design matrix is held at once."""
_DOUBT: Final = 0.2
"""Scale of the doubt about the imputation, in standard deviations of the outcome."""


@dataclass(frozen=True, eq=False)
class Table:
    """n rows: `controls` (n, p), `outcome` (n,), `bucket` (n,) of the clusters, and names."""

    controls: FloatArray
    outcome: FloatArray
    bucket: IntArray
    n_buckets: int
    attributes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Corrected:
    """Effects from a complaint to praise, for those of `attributes` that can be told.

    `estimate` and `std_error` (k,) in outcome units; `degrees` (k,) of freedom, one less than the
    groups of labels that the model's share of the error is read from at most; `fit` is that of the
    imputed labels. `refused` maps the other attributes to the reason; `n_gold` labels were used.
    """

    attributes: tuple[str, ...]
    estimate: FloatArray
    std_error: FloatArray
    degrees: FloatArray
    fit: Fit
    refused: dict[str, str]
    n_gold: int


@dataclass(frozen=True, eq=False)
class _Parts:
    """Moments of one way to fill in the labels; `by_group` are those of each group's model."""

    direct: Moments
    imputed: Moments
    by_group: tuple[Moments, ...]
    gold: Moments


@dataclass(frozen=True, eq=False)
class _Effects:
    """Effects `theta` (k,) and the influence of each bucket on them, (B, k)."""

    theta: FloatArray
    influence: FloatArray


def correct_effects(
    table: Table, reading: Reading, gold: Gold, *, method: Method, rng: np.random.Generator
) -> Corrected:
    """Effects of what the texts say, from what was read and a labelled random sample of rows.

    Raises EstimationError when there are too few gold labels, or none of the effects can be told.
    """
    if len(gold.rows) < MIN_GOLD:
        raise EstimationError(
            f"{len(gold.rows)} of the labelled reviews can be used; at least {MIN_GOLD} are needed"
        )
    group = _deal_groups(table.bucket[gold.rows], min(_GROUPS, len(gold.rows) // 5), rng)
    if not group.any():
        raise EstimationError(
            f"all {len(gold.rows):,} labelled reviews are of one user or cluster, so that nothing can be "
            "held against labels that were not learned from; label reviews of others as well"
        )
    parts = _fill_in(table, reading, gold, group, rng)
    treatments = treatment_names(table.attributes)
    controls = [f"control {i}" for i in range(table.controls.shape[1])]
    screening = screen_treatments(parts.imputed, treatments, OUTCOME, controls, method)
    usable, refused = _split_attributes(table.attributes, screening.refused)
    if not usable:
        raise EstimationError("; ".join(dict.fromkeys(refused.values())))
    names = treatment_names(usable)
    nuisances = [*controls, *screening.nuisances]
    fits = [
        _fit(moments, names, nuisances, method)
        for moments in (parts.imputed, parts.direct, parts.gold)
    ]
    imputed, direct, alone = (_contrast(fit, usable) for fit in fits)
    if fits[0] is None or imputed is None:
        raise EstimationError("the labels drawn do not identify the effects; label more reviews")
    shifts = _shifts_of_groups(parts.by_group, names, nuisances, usable, method)
    mixed = _mix(direct, alone)
    shrunk = _combine(imputed, mixed, shifts, table.bucket[gold.rows], group, table.outcome)
    weights = [fits[0].weights(contrast_weights(name, HEADLINE)) for name in usable]
    return Corrected(
        attributes=usable,
        estimate=shrunk.estimate,
        std_error=np.sqrt(np.diag(shrunk.cov)),
        degrees=np.array([min(fits[0].degrees(w), len(shifts) - 1.0) for w in weights]),
        fit=fits[0],
        refused=refused,
        n_gold=len(gold.rows),
    )


def _deal_groups(bucket: IntArray, n_groups: int, rng: np.random.Generator) -> IntArray:
    """Group of each gold row, shape (g,): rows of one bucket are never apart."""
    distinct, codes = np.unique(bucket, return_inverse=True)
    return (rng.permutation(len(distinct)) % n_groups)[codes]


def _fill_in(
    table: Table, reading: Reading, gold: Gold, group: IntArray, rng: np.random.Generator
) -> _Parts:
    """Moments with imputed, corrected and true labels."""
    n, n_groups = len(table.outcome), int(group.max()) + 1
    is_gold = np.zeros(n, dtype=bool)
    is_gold[gold.rows] = True
    others = np.flatnonzero(~is_gold)
    n_draws = int(np.clip(_CELLS // (n * n_groups), 2, _DRAWS))
    drawn = draw_labels(
        reading,
        gold,
        table.outcome,
        table.controls,
        group=group,
        n_groups=n_groups,
        n_draws=n_draws,
        rng=rng,
    )
    true = table_moments(table, gold.rows, gold.polarity[None])
    by_group: list[Moments] = []
    held_out: list[Moments] = []
    for f, labels in enumerate(drawn):
        by_group.append(_add((1.0, table_moments(table, others, labels[:, others])), (1.0, true)))
        own = gold.rows[group == f]
        held_out.append(table_moments(table, own, labels[:, own]))
    imputed = _add(*((1.0 / n_groups, moments) for moments in by_group))
    guessed = _add(*((1.0, moments) for moments in held_out))
    # imputed holds the true gold rows once: n/g - 1 times (true - guessed) is left to add.
    extra = n / len(gold.rows) - 1.0
    direct = _add((1.0, imputed), (extra, true), (-extra, guessed))
    rows = np.bincount(table.bucket, minlength=table.n_buckets).astype(np.int64)
    return _Parts(
        direct=replace(direct, rows=rows),
        imputed=replace(imputed, rows=rows),
        by_group=tuple(replace(moments, rows=rows) for moments in by_group),
        gold=true,
    )


def table_moments(table: Table, rows: IntArray, labels: Labels) -> Moments:
    """Mean over draws of the moments of some rows; `labels` has shape (draws, rows, k)."""
    controls = [f"control {i}" for i in range(table.controls.shape[1])]
    columns = [INTERCEPT, *controls, *treatment_names(table.attributes), OUTCOME]
    parts = []
    for start in range(0, max(len(rows), 1), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        fixed = np.column_stack([np.ones(len(block)), table.controls[block]])
        of_draws = []
        for drawn in labels[:, start : start + _BLOCK_ROWS]:
            sides = np.stack([drawn == 1, drawn == -1], axis=2)
            sides = sides.reshape(len(block), 2 * drawn.shape[1])
            design = np.column_stack([fixed, sides, table.outcome[block]])
            bucket = table.bucket[block]
            of_draws.append(
                compute_moments(design, bucket, columns=columns, n_buckets=table.n_buckets)
            )
        parts.append(_add(*((1.0 / len(of_draws), part) for part in of_draws)))
    return sum_moments(parts)


def _add(*terms: tuple[float, Moments]) -> Moments:
    """Weighted sum of moments; the rows are those of the first."""
    packed = sum(weight * moments.packed for weight, moments in terms)
    return replace(terms[0][1], packed=np.asarray(packed, dtype=np.float64))


def _split_attributes(
    attributes: Sequence[str], refused_treatments: dict[str, str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Attributes whose both sides can be estimated, and why the others cannot."""
    refused: dict[str, str] = {}
    for attribute in attributes:
        reasons = [
            refused_treatments[name]
            for name in treatment_names([attribute])
            if name in refused_treatments
        ]
        if reasons:
            refused[attribute] = "; ".join(reasons)
    return tuple(name for name in attributes if name not in refused), refused


def _fit(
    moments: Moments, treatments: Sequence[str], controls: Sequence[str], method: Method
) -> Fit | None:
    """Effects of the treatments; None where these moments cannot tell them apart."""
    try:
        with np.errstate(invalid="ignore"):  # corrected matrices can be indefinite
            residuals = residualise(
                moments, treatments=treatments, outcome=OUTCOME, controls=controls,
                folds=method.folds, penalty=method.penalty,
            )  # fmt: skip
            fit = solve_residuals(residuals)
    except (EstimationError, np.linalg.LinAlgError):
        return None
    return fit if np.isfinite(fit.theta).all() and np.isfinite(fit.influence).all() else None


def _contrast(fit: Fit | None, attributes: Sequence[str]) -> _Effects | None:
    """From complaint to praise, for each attribute."""
    if fit is None:
        return None
    weights = np.array([fit.weights(contrast_weights(name, HEADLINE)) for name in attributes])
    return _Effects(weights @ fit.theta, fit.influence @ weights.T)


def _shifts_of_groups(
    by_group: Sequence[Moments],
    treatments: Sequence[str],
    controls: Sequence[str],
    attributes: Sequence[str],
    method: Method,
) -> FloatArray:
    """What each group of gold rows moves the imputed effects by through the model, shape (F, k).

    The delete-a-group jackknife: their squares add up to the variance.
    """
    effects = [_contrast(_fit(m, treatments, controls, method), attributes) for m in by_group]
    thetas = np.array([e.theta for e in effects if e is not None])
    if len(thetas) < len(by_group):
        raise EstimationError("the labels drawn do not identify the effects; label more reviews")
    count = len(thetas)
    shifts: FloatArray = -np.sqrt((count - 1) / count) * (thetas - thetas.mean(axis=0))
    return shifts


def _mix(direct: _Effects | None, alone: _Effects | None) -> _Effects | None:
    """The mixture of least variance, effect by effect."""
    if direct is None or alone is None:
        return direct or alone
    first, second = (direct.influence**2).sum(axis=0), (alone.influence**2).sum(axis=0)
    both = (direct.influence * alone.influence).sum(axis=0)
    share = np.clip((second - both) / np.maximum(first + second - 2 * both, 1e-300), 0.0, 1.0)
    return _Effects(
        share * direct.theta + (1 - share) * alone.theta,
        share * direct.influence + (1 - share) * alone.influence,
    )


def _combine(
    imputed: _Effects,
    direct: _Effects | None,
    shifts: FloatArray,
    bucket: IntArray,
    group: IntArray,
    outcome: FloatArray,
) -> Shrunk:
    """The two estimates together; `bucket` and `group` (g,) are those of the gold rows."""
    if direct is None:
        raise EstimationError(
            "the labelled reviews cannot tell the effects apart; label more of them"
        )
    of_bucket = dict(zip(bucket.tolist(), group.tolist(), strict=True))
    sums = np.zeros((len(shifts), len(direct.theta)))
    for place, number in of_bucket.items():
        sums[number] += direct.influence[place]
    across = direct.influence.T @ imputed.influence + sums.T @ shifts
    cov = np.block([
        [direct.influence.T @ direct.influence, across],
        [across.T, imputed.influence.T @ imputed.influence + shifts.T @ shifts],
    ])  # fmt: skip
    return shrink(direct.theta, imputed.theta, cov, scale=_DOUBT * float(outcome.std()))
