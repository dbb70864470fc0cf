"""What double machine learning must know: outcomes under each treatment, chance of treatment.

Every row is predicted by learners that saw none of its fold, and the learners are stacked by
`tasks.effects.learned.stacking`. Outcomes are put together in two steps, because two surfaces that are each
a little wrong make a difference that is very wrong. The stack of each arm gives the mean outcome
m = e g1 + (1 - e) g0; the effect t is then chosen among the learners' own differences and one
constant by the R-loss, the squared error of (y - m) - (d - e) t (Nie & Wager 2021, "Quasi-oracle
estimation of heterogeneous treatment effects"); and g0 = m - e t, g1 = m + (1 - e) t. What
that leaves of each arm's outcomes is then looked at once more, by a few columns and next to no
penalty: see `tasks.effects.learned.smooth`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from tasks.effects.basis import FloatArray
from tasks.effects.learned.gaussian import Kernel, standardise, tune_kernel
from tasks.effects.learned.learners import (
    LEARNERS,
    MIN_ARM,
    Predictions,
    Split,
    predict_chances,
    predict_means,
)
from tasks.effects.learned.smooth import (
    bend_controls,
    is_overlapping,
    make_bends,
    mend_predictions,
    widen_basis,
)
from tasks.effects.learned.stacking import stack_chances, stack_squares
from tasks.effects.moments import IntArray
from tasks.platform.errors import EstimationError
from tasks.platform.threads import hold_threads_for

_SMALL_ROWS: Final = 2_000
_SMALL_STEPS: Final = ((30, 80, 200), 0.1)
_LARGE_STEPS: Final = ((80, 220, 450), 0.07)
_SHOWN: Final = 0.005
_BEYOND: Final = 0.1
_CLIP: Final = 0.01


@dataclass(frozen=True, eq=False)
class Nuisances:
    """Out-of-fold predictions of n rows.

    `untreated` and `treated` (n,) in outcome units: expected outcome under each treatment.
    `propensity` (n,) in [0, 1], as stacked, not clipped. `effects` maps each learner to its own
    difference (n,) of the two arms, in outcome units. `weights` gives the stacks ("untreated",
    "treated", "propensity", "effect"): learner to weight, those below 0.005 left out. `skills` are
    each learner's share in [0, 1] of what the arms' means leave of the outcome, out of fold.
    `columns` (n, q) are the controls and their bends, by which the outcomes were mended (see
    `tasks.effects.learned.smooth`) and arms can be balanced; None where there are none, and where many rows
    have no like in an arm.
    """

    untreated: FloatArray
    treated: FloatArray
    propensity: FloatArray
    effects: Mapping[str, FloatArray]
    weights: Mapping[str, Mapping[str, float]]
    skills: Mapping[str, float] = field(default_factory=dict)
    columns: FloatArray | None = None

    @property
    def mean(self) -> FloatArray:
        """Expected outcome without knowing the treatment, shape (n,), in outcome units."""
        mean: FloatArray = self.untreated + self.propensity * (self.treated - self.untreated)
        return mean


def cross_fit_nuisances(
    features: FloatArray,
    basis: FloatArray,
    outcome: FloatArray,
    is_treated: IntArray,
    fold: IntArray,
    folds: int,
    *,
    seed: int,
) -> Nuisances:
    """Outcomes under both treatments and the propensity, each row predicted from other folds.

    `features` (n, f) are raw numbers (NaN allowed, one-hot for categories), `basis` (n, p) centred
    and scaled columns for straight lines. With f = p = 0 there is nothing to learn that a row could
    give away: arm means and the treated share of all rows are used. Raises EstimationError when an
    arm has no row or the outcome is not finite.
    """
    check_arms(outcome, is_treated)
    centre, scale = float(outcome.mean()), float(outcome.std()) or 1.0
    treated = is_treated.astype(np.float64)
    scaled = (outcome - centre) / scale
    if features.shape[1] == 0 and basis.shape[1] == 0:
        return _without_controls(outcome, treated)
    with hold_threads_for(len(outcome)):
        arms, chances = _predict_all(features, basis, scaled, treated, fold, folds, seed)
        low, high = float(scaled.min()), float(scaled.max())
        slack = 0.0 if len(np.unique(outcome)) == 2 else _BEYOND * (high - low)
        arms = {name: np.clip(values, low - slack, high + slack) for name, values in arms.items()}
        found = _settle(arms, chances, scaled, treated)
        bends = bend_controls(features, basis, scaled, is_treated)
        found = _mend(found, widen_basis(basis, bends), scaled, is_treated)
    return replace(
        found,
        untreated=found.untreated * scale + centre,
        treated=found.treated * scale + centre,
        effects={name: values * scale for name, values in found.effects.items()},
    )


def cross_fit_mean(
    features: FloatArray,
    basis: FloatArray,
    values: FloatArray,
    fold: IntArray,
    folds: int,
    *,
    seed: int,
) -> FloatArray:
    """What controls foretell of `values` (n,), each row from other folds, in their units.

    The same learners on rows of which none is treated, stacked and mended alike. `features` and
    `basis` are those of `cross_fit_nuisances`; without them it is the mean.
    """
    centre, scale = float(values.mean()), float(values.std()) or 1.0
    if features.shape[1] == 0 and basis.shape[1] == 0:
        return np.full(len(values), centre)
    scaled = (values - centre) / scale
    with hold_threads_for(len(values)):
        every = _make_split(features, basis, scaled, np.zeros(len(values)), seed)
        arms = _cross_fit(_deal(every, fold, folds), _predict_outcomes, "mean")
        columns = widen_basis(basis, bend_controls(features, basis, scaled, scaled))
    matrix = np.column_stack([sides[0] for sides in arms.values()])
    matrix = np.clip(matrix, scaled.min(), scaled.max())
    predicted = matrix @ stack_squares(matrix, scaled)
    everyone = np.ones(len(values))
    predicted = mend_predictions(columns, predicted, scaled, everyone == 1, everyone)
    return predicted * scale + centre


def average_nuisances(nuisances: Sequence[Nuisances]) -> Nuisances:
    """The mean of several splits' predictions and weights."""
    first = nuisances[0]

    def mean(parts: Sequence[FloatArray]) -> FloatArray:
        average: FloatArray = np.mean(parts, axis=0)
        return average

    return Nuisances(
        untreated=mean([one.untreated for one in nuisances]),
        treated=mean([one.treated for one in nuisances]),
        propensity=mean([one.propensity for one in nuisances]),
        effects={
            name: mean([one.effects[name] for one in nuisances if name in one.effects])
            for name in first.effects
        },
        weights={
            stack: {
                name: float(np.mean([one.weights[stack].get(name, 0.0) for one in nuisances]))
                for name in sorted({name for one in nuisances for name in one.weights[stack]})
            }
            for stack in first.weights
        },
        skills={
            name: float(np.mean([one.skills.get(name, 0.0) for one in nuisances]))
            for name in first.skills
        },
        columns=first.columns,
    )


def check_arms(outcome: FloatArray, is_treated: IntArray) -> None:
    """Raise EstimationError for an arm without rows or an outcome that is not finite."""
    treated = int((is_treated == 1).sum())
    if treated == 0 or treated == len(is_treated):
        raise EstimationError(
            f"{treated:,} of {len(is_treated):,} rows are treated; both arms need rows"
        )
    if not np.isfinite(outcome).all():
        raise EstimationError(
            f"{int((~np.isfinite(outcome)).sum()):,} outcomes are not finite; drop those rows"
        )


def _without_controls(outcome: FloatArray, treated: FloatArray) -> Nuisances:
    n, means = len(outcome), [float(outcome[treated == arm].mean()) for arm in (0, 1)]
    one = {"mean": 1.0}
    return Nuisances(
        untreated=np.full(n, means[0]),
        treated=np.full(n, means[1]),
        propensity=np.full(n, treated.mean()),
        effects={"mean": np.full(n, means[1] - means[0])},
        weights={"untreated": one, "treated": one, "propensity": {"share": 1.0}, "effect": one},
    )


def _predict_all(
    features: FloatArray,
    basis: FloatArray,
    outcome: FloatArray,
    treated: FloatArray,
    fold: IntArray,
    folds: int,
    seed: int,
) -> tuple[Predictions, Predictions]:
    """Every learner's out-of-fold outcomes (2, n) and chances (n,)."""
    splits = _deal(_make_split(features, basis, outcome, treated, seed), fold, folds)
    arms = _cross_fit(splits, _predict_outcomes, "mean")
    return arms, _cross_fit(splits, predict_chances, "share")


def _make_split(
    features: FloatArray, basis: FloatArray, outcome: FloatArray, treated: FloatArray, seed: int
) -> Split:
    """All rows, none of them held."""
    filled = fill_features(features)
    is_alive = filled.any(axis=0)
    filled = filled[:, is_alive]
    features = np.where(np.isfinite(features), features, np.nan)[:, is_alive]
    steps, rate = _SMALL_STEPS if len(outcome) < _SMALL_ROWS else _LARGE_STEPS
    every = np.ones(len(outcome), dtype=np.bool_)
    return Split(
        features, filled, basis, outcome, treated, every, ~every, steps, rate,
        _tune(filled, treated, outcome, seed), make_bends(features), seed,
    )  # fmt: skip


def _deal(every: Split, fold: IntArray, folds: int) -> list[Split]:
    """One split for each fold that has rows."""
    splits = []
    for k in range(folds):
        held = fold == k
        if held.any():
            train = ~held if not held.all() else held
            splits.append(replace(every, train=train, held=held, seed=every.seed + k))
    return splits


def _cross_fit(
    splits: Sequence[Split], learner: Callable[[Split], Predictions], plainest: str
) -> Predictions:
    """Out-of-fold predictions (..., n) of all that `learner` offers.

    What it does not offer in a fold (an arm too thin) is filled by `plainest`, which it always has.
    """
    parts = [(split.held, learner(split)) for split in splits]
    names = list(dict.fromkeys(name for _, found in parts for name in found))
    shape = (*parts[0][1][plainest].shape[:-1], len(splits[0].held))
    store = {name: np.empty(shape) for name in names}
    for held, found in parts:
        for name, values in store.items():
            values[..., held] = found.get(name, found[plainest])
    return store


def _predict_outcomes(split: Split) -> Predictions:
    found = predict_means(split)
    if int(split.train.sum()) < 2 * MIN_ARM:
        return found
    for learner in LEARNERS:
        found |= learner(split)
    return found


def _settle(
    arms: Predictions, chances: Predictions, outcome: FloatArray, treated: FloatArray
) -> Nuisances:
    """Stack each arm and the chances, then settle the effect by the R-loss."""
    names = list(arms)
    stacks: dict[str, FloatArray] = {}
    sides = []
    for arm, side in ((0, "untreated"), (1, "treated")):
        matrix = np.column_stack([arms[name][arm] for name in names])
        rows = treated == arm
        stacks[side] = stack_squares(matrix[rows], outcome[rows])
        sides.append(matrix @ stacks[side])
    matrix = np.column_stack(list(chances.values()))
    stacks["propensity"] = stack_chances(matrix, treated)
    propensity = matrix @ stacks["propensity"]
    effects = {name: arms[name][1] - arms[name][0] for name in names}
    effect, stacks["effect"] = _settle_effect(sides, propensity, effects, outcome, treated)
    e = np.clip(propensity, _CLIP, 1 - _CLIP)
    mean = sides[0] + e * (sides[1] - sides[0])
    labels = dict.fromkeys(("untreated", "treated"), names)
    labels |= {"propensity": list(chances), "effect": [*names, "stack", "constant"]}
    return Nuisances(
        untreated=mean - e * effect,
        treated=mean + (1 - e) * effect,
        propensity=propensity,
        effects=effects | {"stack": sides[1] - sides[0]},
        weights={side: _name(labels[side], stack) for side, stack in stacks.items()},
        skills=_measure_skills(arms, outcome, treated),
    )


def _mend(
    found: Nuisances, columns: FloatArray, outcome: FloatArray, is_treated: IntArray
) -> Nuisances:
    """The outcomes with what `columns` (n, q) say they lack, in each arm by itself."""
    untreated, treated = (
        mend_predictions(columns, predicted, outcome, is_treated == arm, chance)
        for arm, predicted, chance in (
            (0, found.untreated, 1 - found.propensity),
            (1, found.treated, found.propensity),
        )
    )
    kept = columns if is_overlapping(found.propensity) else None
    return replace(found, untreated=untreated, treated=treated, columns=kept)


def _measure_skills(
    arms: Predictions, outcome: FloatArray, treated: FloatArray
) -> dict[str, float]:
    def misfit(predicted: FloatArray) -> float:
        return float(((outcome - np.where(treated == 1, predicted[1], predicted[0])) ** 2).sum())

    plain = max(misfit(arms["mean"]), 1e-12)
    return {name: max(0.0, 1 - misfit(predicted) / plain) for name, predicted in arms.items()}


def _settle_effect(
    sides: Sequence[FloatArray],
    propensity: FloatArray,
    effects: Predictions,
    outcome: FloatArray,
    treated: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """The convex stack of effects with the least R-loss, shape (n,), and its weights."""
    e = np.clip(propensity, _CLIP, 1 - _CLIP)
    left = outcome - sides[0] - e * (sides[1] - sides[0])
    moved = treated - e
    constant = float(moved @ left) / max(float(moved @ moved), 1e-12)
    candidates = [*effects.values(), sides[1] - sides[0], np.full(len(outcome), constant)]
    matrix = np.column_stack(candidates)
    weights = stack_squares(moved[:, None] * matrix, left)
    return matrix @ weights, weights


def _name(names: Sequence[str], weights: FloatArray) -> dict[str, float]:
    return {
        name: float(weight) for name, weight in zip(names, weights, strict=True) if weight >= _SHOWN
    }


def fill_features(features: FloatArray) -> FloatArray:
    """Columns of mean 0 and deviation 1, with 0 for what is missing and for what never varies."""
    if features.shape[1] == 0:
        return features
    is_there = np.isfinite(features)
    count = np.maximum(is_there.sum(axis=0), 1)
    centre = np.where(is_there, features, 0.0).sum(axis=0) / count
    centred = np.where(is_there, features - centre, 0.0)
    scale = np.sqrt((centred**2).sum(axis=0) / count)
    filled: FloatArray = centred / np.where(scale > 1e-12 * (1 + np.abs(centre)), scale, np.inf)
    return filled


def _tune(
    filled: FloatArray, treated: FloatArray, outcome: FloatArray, seed: int
) -> tuple[Kernel, Kernel, Kernel] | None:
    """Kernels of both arms together, of the untreated and of the treated."""
    arms = [treated == arm for arm in (0, 1)]
    sizes = [int(arm.sum()) for arm in arms]
    if filled.shape[1] == 0 or max(sizes) < 2 * MIN_ARM or 0 < min(sizes) < 2 * MIN_ARM:
        return None
    order = np.random.default_rng(seed).permutation(len(outcome))
    if not min(sizes):
        one = tune_kernel(filled[order], np.zeros(len(order)), outcome[order])
        return one, one, one
    both = tune_kernel(filled[order], (treated - treated.mean())[order], outcome[order])
    alone = []
    for arm in arms:
        rows = order[arm[order]]
        y, _, _ = standardise(outcome[rows])
        alone.append(tune_kernel(filled[rows], np.zeros(len(rows)), y))
    return both, alone[0], alone[1]
