"""An effect for every row, chosen among candidates by rows they did not see.

Candidates are the learners' own differences of two outcomes, a causal forest, regressions of the
doubly robust score on the controls (Kennedy 2023, "Towards optimal doubly robust estimation of
heterogeneous causal effects") and of the residual outcome on the residual treatment (Nie & Wager
2021), and one effect for all. They are judged and stacked by the R-loss. Where effects hardly vary,
the one effect for all takes the weight, and where the stack does not beat it on rows that did not
choose the weights, or rows that it foretells to gain more do not, it is the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.learned.forest import grow_forest
from tasks.effects.learned.irm import CLIP, cluster_error, deal_folds
from tasks.effects.learned.nuisance import Nuisances, check_arms
from tasks.effects.learned.stacking import stack_squares
from tasks.effects.moments import IntArray
from tasks.platform.threads import hold_threads_for

_STEPS: Final = (25, 75, 200)
_PENALTIES: Final = np.logspace(0, 6, 13)
_MAX_ROWS: Final = 50_000
_SHOWN: Final = 0.005


@dataclass(frozen=True)
class Loss:
    """R-loss of one candidate, in squared outcome units; only differences between them matter.

    `gain` is the loss of one effect for all minus this loss (positive: better), `gain_error` its
    clustered standard error; `weight` is the candidate's share of the stack.
    """

    name: str
    loss: float
    gain: float
    gain_error: float
    weight: float


@dataclass(frozen=True)
class Heterogeneity:
    """Best linear predictor of rows' effects by the predicted ones.

    Chernozhukov, Demirer, Duflo & Fernandez-Val 2018, "Generic machine learning inference on
    heterogeneous treatment effects". `mean` is the average effect (overlap-weighted) in outcome
    units; `slope` is 1 when differences between predicted effects are as large as the true ones and
    0 when they are noise, with clustered `slope_error`. `p_value` is one-sided, for a slope of 0.
    All are None when the predicted effects do not differ.
    """

    mean: float | None
    slope: float | None
    slope_error: float | None
    p_value: float | None


@dataclass(frozen=True, eq=False)
class CateFit:
    """Effects of rows: `effect` (n,) in outcome units, from learners that did not see the row.

    `chosen` is "stack" or "constant"; `candidates` maps names to their effects (n,); `losses` are
    those of all candidates, "stack" (weights from other folds), "constant" and "zero", best first.
    """

    effect: FloatArray
    chosen: str
    candidates: Mapping[str, FloatArray]
    losses: tuple[Loss, ...]
    heterogeneity: Heterogeneity


@dataclass(frozen=True, eq=False)
class Residuals:
    """Rows after the first stage, shapes (n,).

    `outcome` minus its expected value, `treatment` minus its propensity `e`, and the doubly robust
    `score` whose mean is the average effect.
    """

    outcome: FloatArray
    treatment: FloatArray
    score: FloatArray


def estimate_cate(
    features: FloatArray,
    basis: FloatArray,
    outcome: FloatArray,
    is_treated: IntArray,
    nuisances: Nuisances,
    *,
    cluster: IntArray,
    folds: int = 5,
    forest_effect: FloatArray | None = None,
    clip: float = CLIP,
    seed: int = 0,
) -> CateFit:
    """Effects of all rows by the best mixture of candidates.

    `features`, `basis`: see `cross_fit_nuisances`. `forest_effect` (n,) are out-of-bag effects of a
    forest grown before; without them one is grown here. Raises EstimationError for an empty arm.
    """
    check_arms(outcome, is_treated)
    rows = residualise(outcome, is_treated, nuisances, clip=clip)
    fold = deal_folds(cluster, is_treated, folds, np.random.default_rng([seed, 1]))
    if forest_effect is None:
        forest_effect = grow_forest(
            features, outcome, is_treated, nuisances, cluster=cluster, clip=clip, seed=seed
        ).effect
    with hold_threads_for(len(outcome)):
        regressed = _regress_scores(features, basis, rows, fold, seed)
    candidates = {
        **nuisances.effects,
        "forest": forest_effect,
        **regressed,
        "constant": _constant(rows, fold),
    }
    return choose_effect(candidates, rows, fold, cluster)


def residualise(
    outcome: FloatArray, is_treated: IntArray, nuisances: Nuisances, *, clip: float = CLIP
) -> Residuals:
    """Residual outcome and treatment, and doubly robust scores, of n rows."""
    e = np.clip(nuisances.propensity, clip, 1 - clip)
    g0, g1 = nuisances.untreated, nuisances.treated
    left = np.where(is_treated == 1, (outcome - g1) / e, -(outcome - g0) / (1 - e))
    return Residuals(outcome - g0 - e * (g1 - g0), is_treated - e, g1 - g0 + left)


def choose_effect(
    candidates: Mapping[str, FloatArray], rows: Residuals, fold: IntArray, cluster: IntArray
) -> CateFit:
    """Stack `candidates` ("constant" among them) by R-loss, or keep the constant."""
    names = list(candidates)
    matrix = np.column_stack(list(candidates.values()))
    weights = _stack(matrix, rows)
    honest = np.empty(len(fold))
    for k in np.unique(fold):
        held = fold == k
        honest[held] = matrix[held] @ _stack(matrix, rows, ~held)
    judged = {**candidates, "stack": honest, "zero": np.zeros(len(fold))}
    shares = dict(zip(names, weights, strict=True))
    losses = [
        _judge(name, effect, candidates["constant"], rows, cluster, float(shares.get(name, 0.0)))
        for name, effect in judged.items()
    ]
    stacked = next(loss for loss in losses if loss.name == "stack")
    found = measure_slope(honest, rows, cluster)
    is_told = found.slope is not None and found.slope > 0
    chosen = "stack" if is_told and stacked.gain > stacked.gain_error else "constant"
    flat = np.full(len(fold), _one_effect(rows))
    return CateFit(
        effect=matrix @ weights if chosen == "stack" else flat,
        chosen=chosen,
        candidates=dict(candidates),
        losses=tuple(sorted(losses, key=lambda loss: loss.loss)),
        heterogeneity=found,
    )


def measure_slope(effect: FloatArray, rows: Residuals, cluster: IntArray) -> Heterogeneity:
    """Whether rows predicted (n,) to gain more do gain more."""
    from scipy.special import ndtr

    moved = rows.treatment
    weight = moved**2
    centre = float(weight @ effect) / float(weight.sum())
    spread = effect - centre
    if float(np.abs(spread).max()) <= 1e-9 * (abs(centre) + float(rows.outcome.std())):
        return Heterogeneity(None, None, None, None)
    design = np.column_stack([moved, moved * spread])
    inverse = np.linalg.pinv(design.T @ design)
    found = inverse @ design.T @ rows.outcome
    left = rows.outcome - design @ found
    error, _ = cluster_error((design * left[:, None]) @ inverse[1], cluster)
    slope = float(found[1])
    p_value = float(ndtr(-slope / error)) if error > 0 else None
    return Heterogeneity(float(found[0]), slope, error, p_value)


def _regress_scores(
    features: FloatArray, basis: FloatArray, rows: Residuals, fold: IntArray, seed: int
) -> dict[str, FloatArray]:
    """Out-of-fold regressions on the controls: of the scores ("dr"), of the ratio ("r")."""
    n, weight = len(fold), rows.treatment**2
    targets = {"dr": (rows.score, np.ones(n)), "r": (rows.outcome / _away(rows.treatment), weight)}
    found: dict[str, FloatArray] = {}
    rng = np.random.default_rng([seed, 2])
    for k in np.unique(fold):
        held, train = fold == k, np.flatnonzero(fold != k)
        train = np.sort(rng.permutation(train)[:_MAX_ROWS])
        for kind, (target, share) in targets.items():
            for name, predicted in _fit_kinds(
                features, basis, target, share, train, held, seed
            ).items():
                found.setdefault(f"{kind}_{name}", np.full(n, np.nan))[held] = predicted
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


def _fit_kinds(
    features: FloatArray,
    basis: FloatArray,
    target: FloatArray,
    share: FloatArray,
    train: IntArray,
    held: Any,
    seed: int,
) -> dict[str, FloatArray]:
    """A ridge on the basis and boosted shallow trees on the features, weighted by `share`."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import RidgeCV

    found: dict[str, FloatArray] = {}
    scale = float(np.sqrt(share[train] @ target[train] ** 2 / share[train].sum())) or 1.0
    y, w = target[train] / scale, share[train] / share[train].mean()
    if basis.shape[1]:
        model = RidgeCV(_PENALTIES).fit(basis[train], y, sample_weight=w)
        found["ridge"] = model.predict(basis[held]) * scale
    if np.isfinite(features[train]).any():
        grown = HistGradientBoostingRegressor(
            learning_rate=0.05, max_leaf_nodes=4, min_samples_leaf=20, max_features=0.5,
            l2_regularization=10.0, early_stopping=False, warm_start=True, random_state=seed,
        )  # fmt: skip
        known = np.isfinite(features[train]).any(axis=0)
        rows, seen = features[train][:, known], features[held][:, known]
        for step in _STEPS:
            grown.set_params(max_iter=step).fit(rows, y, sample_weight=w)
            found[f"boost_{step}"] = grown.predict(seen) * scale
    return found


def _away(moved: FloatArray) -> FloatArray:
    """Residual treatments held away from 0, where a ratio says nothing and weighs nothing."""
    return np.where(np.abs(moved) < CLIP, np.where(moved < 0, -CLIP, CLIP), moved)


def _one_effect(rows: Residuals, mask: Any = slice(None)) -> float:
    moved = rows.treatment[mask]
    return float(moved @ rows.outcome[mask]) / max(float(moved @ moved), 1e-12)


def _constant(rows: Residuals, fold: IntArray) -> FloatArray:
    """One effect for all, from the other folds, shape (n,)."""
    effect = np.empty(len(fold))
    for k in np.unique(fold):
        others = fold != k
        effect[fold == k] = _one_effect(rows, others if others.any() else slice(None))
    return effect


def _stack(matrix: FloatArray, rows: Residuals, mask: Any = slice(None)) -> FloatArray:
    moved = rows.treatment[mask]
    return stack_squares(moved[:, None] * matrix[mask], rows.outcome[mask])


def _judge(
    name: str,
    effect: FloatArray,
    constant: FloatArray,
    rows: Residuals,
    cluster: IntArray,
    weight: float,
) -> Loss:
    losses = (rows.outcome - rows.treatment * effect) ** 2
    gains = (rows.outcome - rows.treatment * constant) ** 2 - losses
    gain = float(gains.mean())
    error, _ = cluster_error((gains - gain) / len(gains), cluster)
    return Loss(name, float(losses.mean()), gain, error, weight if weight >= _SHOWN else 0.0)
