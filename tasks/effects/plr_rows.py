"""Partially linear regression of rows in memory: the estimate of `plr`, every cluster by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.moments import IntArray, hash_id
from tasks.effects.penalty import Penalty, set_penalties
from tasks.effects.plr import Fit, Variance, count_effective, divide, measure_spread, solve_blocks
from tasks.effects.ridge import fit_projections

_CHUNK_CELLS: Final = 20_000_000
"""Floats held at once while clusters are left out one by one."""


def assign_folds(clusters: Sequence[str], folds: int) -> IntArray:
    """Fold of each distinct cluster, shape (G,): dealt out in the order of their hashes.

    For tables in memory: balanced even with a handful of clusters, and free of row order.
    """
    order = sorted(range(len(clusters)), key=lambda i: (hash_id(clusters[i]), clusters[i]))
    fold = np.empty(len(clusters), dtype=np.int64)
    fold[order] = np.arange(len(clusters)) % folds
    return fold


def fit_rows(
    design: FloatArray,
    *,
    n_treatments: int,
    cluster: IntArray,
    fold_of_cluster: IntArray,
    folds: int,
    treatments: tuple[str, ...],
    penalty: Penalty,
    variance: Variance = "cr3",
) -> Fit:
    """The same estimate from rows in memory, with every cluster counted by itself.

    `design` is Z = [1, X, D, Y] of shape (n, q); `cluster` (n,) holds codes 0 to G - 1.
    """
    q = design.shape[1]
    targets = np.arange(q - n_treatments - 1, q)
    fold = fold_of_cluster[cluster]
    by_fold = np.stack([_gram(design[fold == k]) for k in range(folds)])
    controls = np.arange(targets[0])
    penalties = set_penalties(by_fold, controls, targets, penalty)
    maps = fit_projections(by_fold, controls, targets, penalties)
    residuals = np.empty((len(design), len(targets)))
    for k in range(folds):
        residuals[fold == k] = design[fold == k] @ maps[k]
    fit = solve_rows(
        residuals, cluster, treatments=treatments, variance=variance,
        total_variance=measure_spread(by_fold.sum(axis=0), targets[:-1]),
    )  # fmt: skip
    return replace(fit, penalties=penalties)


def average_fits(fits: Sequence[Fit]) -> Fit:
    """One fit from several that split the same rows into other folds: the mean of each part.

    Their penalties are listed one after the other.
    """
    penalties = [fit.penalties for fit in fits if fit.penalties is not None]

    def mean(name: str) -> FloatArray:
        average: FloatArray = np.mean([getattr(fit, name) for fit in fits], axis=0)
        return average

    return replace(
        fits[0],
        theta=mean("theta"),
        influence=mean("influence"),
        bread=mean("bread"),
        outcome_ss=float(mean("outcome_ss")),
        residual_ss=mean("residual_ss"),
        variance_left=mean("variance_left"),
        effective_clusters=mean("effective_clusters"),
        penalties=np.concatenate(penalties) if penalties else None,
    )


def solve_rows(
    residuals: FloatArray,
    cluster: IntArray,
    *,
    treatments: tuple[str, ...],
    total_variance: FloatArray,
    variance: Variance = "cr3",
) -> Fit:
    """Joint regression of residual rows (n, m + 1), outcome last, clustered by `cluster`."""
    order = np.argsort(cluster, kind="stable")
    sizes = np.bincount(cluster).astype(np.int64)
    residuals = residuals[order]
    total = _gram(residuals)
    squares = (residuals[:, :-1] ** 2).T
    own: FloatArray = np.stack([np.bincount(cluster[order], weights=s) for s in squares], axis=1)
    sums: FloatArray = own.sum(axis=0)
    return solve_blocks(
        _cluster_blocks(residuals, sizes),
        total=total,
        treatments=treatments,
        variance=variance,
        variance_left=divide(sums, total_variance),
        effective_clusters=count_effective(divide(own, sums)),
        n=len(residuals),
    )


def _gram(rows: FloatArray) -> FloatArray:
    gram: FloatArray = rows.T @ rows
    return gram


def _cluster_blocks(residuals: FloatArray, sizes: IntArray) -> Iterator[FloatArray]:
    """Gram matrices of clusters, in blocks that fit in memory; rows are sorted by cluster."""
    width = residuals.shape[1]
    step = max(_CHUNK_CELLS // width**2, 1)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    first = 0
    while first < len(sizes):
        last = int(np.searchsorted(starts, starts[first] + step, side="right")) - 1
        last = min(max(last, first + 1), len(sizes))
        rows = residuals[starts[first] : starts[last]]
        filled = np.flatnonzero(sizes[first:last]) + first
        if len(filled) == 1:
            yield _gram(rows)[None]
        elif len(filled):
            products = rows[:, :, None] * rows[:, None, :]
            yield np.add.reduceat(products, starts[filled] - starts[first], axis=0)
        first = last
