"""A causal forest: an effect for every row, and doubly robust averages of them.

EconML's CausalForestDML (Athey, Tibshirani & Wager 2019, "Generalized random forests") splits rows
where residual outcome and residual treatment relate differently. Its first stage here is the
cross-fitted nuisances, handed in as columns. Rows' effects are out of bag: of trees that did not
see the row. Averages are of doubly robust scores, not of rows' effects, which the forest shrinks.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.estimand import Estimand, check_estimand
from tasks.effects.learned.irm import CLIP, cluster_error, measure_extrapolation, score_irm
from tasks.effects.learned.nuisance import Nuisances, check_arms, fill_features
from tasks.effects.moments import IntArray

_TREES: Final = 500
_MAX_ROWS: Final = 50_000
_LEAF: Final = 5


@dataclass(frozen=True, eq=False)
class ForestFit:
    """Averages and rows' effects, in outcome units.

    `effect` (n,) with interval `effect_low`, `effect_high` (n,) at `confidence`: of the row's own
    effect as the forest smooths it. `influence` (n,) belongs to the average: its cluster sums,
    squared and summed, are `std_error` squared. `grown_on` is the rows the trees were grown on.
    """

    estimate: float
    std_error: float
    influence: FloatArray
    effect: FloatArray
    effect_low: FloatArray
    effect_high: FloatArray
    estimand: Estimand
    confidence: float
    grown_on: int


@dataclass(frozen=True, eq=False)
class RowEffects:
    """Effects of n rows and their standard errors, shapes (n,), in outcome units."""

    effect: FloatArray
    std_error: FloatArray
    grown_on: int


def estimate_forest(
    features: FloatArray,
    outcome: FloatArray,
    is_treated: IntArray,
    nuisances: Nuisances,
    *,
    cluster: IntArray,
    estimand: Estimand = "ate",
    confidence: float = 0.95,
    clip: float = CLIP,
    trees: int = _TREES,
    seed: int = 0,
) -> ForestFit:
    """Effects of rows by a causal forest, and their doubly robust average for `estimand`.

    `features` (n, f) are raw numbers, NaN allowed; without any column every row has the same
    effect. `nuisances` come from `cross_fit_nuisances`. Raises EstimationError for an empty arm.
    """
    from scipy.special import ndtri

    check_estimand(estimand)
    check_arms(outcome, is_treated)
    rows = grow_forest(
        features, outcome, is_treated, nuisances, cluster=cluster, trees=trees, clip=clip, seed=seed
    )
    e = np.clip(nuisances.propensity, clip, 1 - clip)
    corrected = replace(
        nuisances,
        untreated=nuisances.mean - e * rows.effect,
        treated=nuisances.mean + (1 - e) * rows.effect,
    )
    score = score_irm(corrected, outcome, is_treated, estimand=estimand, clip=clip)
    error, clusters = cluster_error(score.influence, cluster)
    doubt = measure_extrapolation(nuisances, estimand=estimand, clip=clip)
    widened = float(np.hypot(error, doubt))
    reach = float(ndtri(0.5 + confidence / 2)) * rows.std_error
    return ForestFit(
        estimate=score.estimate,
        std_error=widened,
        influence=score.influence
        * np.sqrt(clusters / (clusters - 1))
        * (widened / error if error > 0 else 1.0),
        effect=rows.effect,
        effect_low=rows.effect - reach,
        effect_high=rows.effect + reach,
        estimand=estimand,
        confidence=confidence,
        grown_on=rows.grown_on,
    )


def grow_forest(
    features: FloatArray,
    outcome: FloatArray,
    is_treated: IntArray,
    nuisances: Nuisances,
    *,
    cluster: IntArray,
    trees: int = _TREES,
    clip: float = CLIP,
    seed: int = 0,
) -> RowEffects:
    """Out-of-bag effects of all rows; beyond 50,000 rows the trees grow on a draw of them.

    Trees draw rows, not clusters: with many rows a cluster, out of bag is not wholly unseen.
    """
    x = fill_features(features)
    n, e = len(outcome), np.clip(nuisances.propensity, clip, 1 - clip)
    if x.shape[1] == 0 or n < 8 * _LEAF:
        return _constant_effect(outcome - nuisances.mean, is_treated - e, cluster)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(n)[:_MAX_ROWS])
    forest = _make_forest(trees, seed)
    first_stage = np.column_stack([nuisances.mean, e])
    forest.fit(
        outcome[chosen], is_treated[chosen].astype(np.float64), X=x[chosen], W=first_stage[chosen],
        inference="blb",
    )  # fmt: skip
    effect, error = _predict(forest, x)
    unseen = np.asarray(forest.model_cate.oob_predict(x[chosen])).reshape(len(chosen))
    effect[chosen] = np.where(np.isfinite(unseen), unseen, effect[chosen])
    return RowEffects(effect, error, len(chosen))


def _make_forest(trees: int, seed: int) -> Any:
    from econml.dml import CausalForestDML

    from tasks.effects.learned.given_column import GivenColumn

    return CausalForestDML(
        model_y=GivenColumn(2),
        model_t=GivenColumn(1),
        cv=2,
        n_estimators=max(trees // 4, 1) * 4,
        min_samples_leaf=_LEAF,
        max_samples=0.45,
        n_jobs=1,
        random_state=seed,
    )


def _predict(forest: Any, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    inference = forest.effect_inference(x)
    effect = np.asarray(inference.point_estimate, dtype=np.float64).reshape(len(x))
    error = np.asarray(inference.stderr, dtype=np.float64).reshape(len(x))
    return effect.copy(), error


def _constant_effect(left: FloatArray, moved: FloatArray, cluster: IntArray) -> RowEffects:
    """One effect for all: residual outcome on residual treatment."""
    bread = max(float(moved @ moved), 1e-12)
    effect = float(moved @ left) / bread
    error, _ = cluster_error(moved * (left - effect * moved) / bread, cluster)
    n = len(left)
    return RowEffects(np.full(n, effect), np.full(n, error), n)
