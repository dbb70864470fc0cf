"""Learners of the outcome under each treatment, and of the chance of treatment.

Each takes a `Split`, learns from its training rows and predicts its held ones. None is tuned here:
the stack judges them all by rows they did not see, and a boosted learner enters it once for every
checkpoint of its growth, which replaces early stopping on a share of the rows.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.effects.basis import FloatArray
from tasks.effects.learned.gaussian import Kernel, predict_process, standardise
from tasks.effects.learned.single_index import fit_single_index
from tasks.effects.learned.smooth import BASIS_SCALE, Bends, choose_bends

Mask = NDArray[np.bool_]
Predictions = dict[str, FloatArray]

MIN_ARM: Final = 8
"""Fewer training rows of an arm get no model of their own."""
_PENALTIES: Final = np.logspace(-1, 5, 13)
_LOGIT_C: Final = (0.003, 0.03, 0.3)
_BENT_C: Final = (0.3, 3.0)
_FREE: Final = 30.0
"""Scale of the treatment column in ridge designs, so that the penalty hardly touches it."""
_PRODUCTS: Final = 150
_PRODUCT_COLUMNS: Final = 60
_PROCESS_ROWS: Final = 2_000
_REACH: Final = 4.0
"""Products are taken of values held within four deviations."""


@dataclass(frozen=True, eq=False)
class Split:
    """Training rows and held rows (h of them) of one fold.

    `features` (n, f) and `filled` (n, f): raw numbers with NaN, and the same standardised with 0 for
    NaN. `basis` (n, p); `outcome` (n,) of mean 0 and deviation 1; `is_treated` (n,) is 0.0 or 1.0;
    `train` and `held` are masks (n,). `steps` are the checkpoints of boosting, `rate` its learning
    rate; `kernels` of the Gaussian processes (both arms, untreated, treated) are None for tables too
    small for them; `bends` are waves of the controls, of which the training rows choose.
    """

    features: FloatArray
    filled: FloatArray
    basis: FloatArray
    outcome: FloatArray
    is_treated: FloatArray
    train: Mask
    held: Mask
    steps: tuple[int, ...]
    rate: float
    kernels: tuple[Kernel, Kernel, Kernel] | None
    bends: Bends
    seed: int

    def arm(self, value: int) -> Mask:
        """Training rows of one arm, a mask (n,)."""
        mask: Mask = self.train & (self.is_treated == value)
        return mask

    @property
    def has_arms(self) -> bool:
        """Whether each arm has rows enough for a model of its own."""
        return min(int(self.arm(0).sum()), int(self.arm(1).sum())) >= MIN_ARM

    @cached_property
    def bent(self) -> dict[str, FloatArray]:
        """The basis "waves" (n, q) with the waves that the training rows call for, and with products."""
        waves, products = choose_bends(
            self.bends, self.basis, self.outcome, self.is_treated, self.train
        )
        wide = np.column_stack([BASIS_SCALE * self.basis, waves])
        found = {"waves": wide, "waves_products": np.column_stack([wide, products])}
        return {name: columns for name, columns in found.items() if columns.shape[1]}

    @property
    def share(self) -> float:
        """Treated share of the training rows."""
        return float(self.is_treated[self.train].mean())


def predict_means(split: Split) -> Predictions:
    """Arm means, shape (2, h); the mean of all training rows for an arm without any."""
    rows = [split.arm(value) if split.arm(value).any() else split.train for value in (0, 1)]
    means = np.array([float(split.outcome[mask].mean()) for mask in rows])
    return {"mean": np.repeat(means[:, None], int(split.held.sum()), axis=1)}


def predict_ridges(split: Split) -> Predictions:
    """Ridges on the spline basis: a constant effect, an effect of its own line, one per arm."""
    from sklearn.linear_model import RidgeCV

    found: Predictions = {}
    for name, is_bent in (("ridge_constant", False), ("ridge_joint", True)):
        design = _design(split, split.train, split.is_treated, is_bent=is_bent)
        model = RidgeCV(_PENALTIES).fit(design, split.outcome[split.train])
        found[name] = _predict_both(split, model, is_bent=is_bent)
    if split.has_arms:
        held = split.basis[split.held]
        arms = [split.arm(0), split.arm(1)]
        fits = [RidgeCV(_PENALTIES).fit(split.basis[a], split.outcome[a]) for a in arms]
        found["ridge_arm"] = np.stack([fit.predict(held) for fit in fits])
    return found


def predict_waves(split: Split) -> Predictions:
    """Ridges on the basis and on the bends that treatment or outcome follow, with one effect for all.

    Effects that bend as freely as that would run away where an arm has no rows.
    """
    from sklearn.linear_model import RidgeCV

    found: Predictions = {}
    for name, basis in split.bent.items():
        wide = replace(split, basis=basis)
        design = _design(wide, split.train, split.is_treated, is_bent=False)
        model = RidgeCV(_PENALTIES).fit(design, split.outcome[split.train])
        found[name] = _predict_both(wide, model, is_bent=False)
    return found


def predict_indexes(split: Split) -> Predictions:
    """A curve of a weighted sum (single-index model): one per arm, and one with treatment in the sum."""
    found: Predictions = {}
    x = np.clip(split.filled, -_REACH, _REACH)
    seen = x[split.held]
    if x.shape[1] == 0:
        return found
    if split.has_arms:
        rows = [split.arm(0), split.arm(1)]
        fits = [fit_single_index(x[arm], split.outcome[arm]) for arm in rows]
        found["index_arm"] = np.stack([fit.predict(seen) for fit in fits])
    both = np.column_stack([x, split.is_treated - split.share])
    fit = fit_single_index(both[split.train], split.outcome[split.train])
    found["index_joint"] = np.stack(
        [
            fit.predict(np.column_stack([seen, np.full(len(seen), value - split.share)]))
            for value in (0.0, 1.0)
        ]
    )
    return found


def predict_boosts(split: Split) -> Predictions:
    """Boosted trees: all rows with treatment a column; one per arm; on what products leave.

    `products` is a lasso on the basis, its products with the treatment, and the products of two
    columns that its residuals call for; trees add the corners that smooth terms cannot draw.
    """
    found: Predictions = {}
    both = np.column_stack([split.features, split.is_treated])
    held = [_with_treatment(split, value) for value in (0, 1)]
    joint = grow_boosts(split, both, split.outcome, split.train, held)
    line, smooth = _fit_products(split)
    found["products"] = smooth
    rest = grow_boosts(split, both, split.outcome - line, split.train, held)
    for step, whole, part in zip(split.steps, joint, rest, strict=True):
        found[f"boost_joint_{step}"] = whole
        found[f"boost_products_{step}"] = smooth + part
    return found


def predict_arm_boosts(split: Split) -> Predictions:
    """Boosted trees of one arm, by themselves and carried over to the other.

    `transfer_*`: the larger arm's prediction, plus a model of what the smaller arm's rows differ
    from it by (the X-learner's first half: Kuenzel, Sekhon, Bickel & Yu 2019), so that the smaller
    arm need only teach the effect.
    """
    if not split.has_arms:
        return {}
    everyone = split.features
    sides = [
        grow_boosts(split, everyone, split.outcome, split.arm(value), [everyone])
        for value in (0, 1)
    ]
    held = split.held
    found = {
        f"boost_arm_{step}": np.concatenate([sides[0][at][:, held], sides[1][at][:, held]])
        for at, step in enumerate(split.steps)
    }
    small = int(split.arm(1).sum() <= split.arm(0).sum())
    base = sides[1 - small][-2][0]
    for name, step in _fit_steps(split, split.outcome - base, split.arm(small)).items():
        pair = np.stack([base[held], base[held] + step])
        found[f"transfer_{name}"] = pair if small == 1 else pair[::-1]
    return found


def predict_trees(split: Split) -> Predictions:
    """Extremely randomised trees, one forest per arm (Geurts, Ernst & Wehenkel 2006)."""
    from sklearn.ensemble import ExtraTreesRegressor

    if not split.has_arms:
        return {}
    arms = []
    for value in (0, 1):
        rows = split.arm(value)
        model = ExtraTreesRegressor(
            100, min_samples_leaf=3, max_features=0.5, random_state=split.seed
        )
        model.fit(split.filled[rows], split.outcome[rows])
        arms.append(model.predict(split.filled[split.held]))
    return {"trees": np.stack(arms)}


def predict_gaussian(split: Split) -> Predictions:
    """Gaussian processes: one of the outcome and of the effect, and one of each arm by itself."""
    if split.kernels is None:
        return {}
    both, *alone = split.kernels
    rows, seen = _thin(split), split.filled[split.held]
    contrast = split.is_treated - split.share
    train = (split.filled[rows], contrast[rows], split.outcome[rows])
    contrasts = (-split.share, 1.0 - split.share)
    found = {"gaussian": predict_process(both, train, seen, contrasts)}
    if split.has_arms:
        pair = []
        for value in (0, 1):
            side = rows[split.is_treated[rows] == value]
            y, centre, scale = standardise(split.outcome[side])
            known = (split.filled[side], np.zeros(len(side)), y)
            pair.append(predict_process(alone[value], known, seen, (0.0,))[0] * scale + centre)
        found["gaussian_arm"] = np.stack(pair)
    return found


def _thin(split: Split) -> NDArray[np.int64]:
    """Training rows a Gaussian process can hold: as alike in number from both arms as they come."""
    rng = np.random.default_rng(split.seed)
    arms = sorted((np.flatnonzero(split.arm(value)) for value in (0, 1)), key=len)
    few = rng.permutation(arms[0])[: _PROCESS_ROWS // 2]
    many = rng.permutation(arms[1])[: _PROCESS_ROWS - len(few)]
    chosen: NDArray[np.int64] = np.sort(np.concatenate([few, many]))
    return chosen


def predict_chances(split: Split) -> Predictions:
    """Chances of treatment, shape (h,): their share, logistic ridges, boosting and random trees.

    Ridges are of the basis, and of the bends that treatment or outcome follow.
    """
    treated = split.is_treated[split.train]
    held = int(split.held.sum())
    found = {"share": np.full(held, split.share)}
    if min(treated.sum(), (1 - treated).sum()) < MIN_ARM or split.features.shape[1] == 0:
        return found
    found |= _predict_logits(split)
    model = _make_boost(split, is_chance=True)
    rows, seen = split.features[split.train], split.features[split.held]
    known = np.isfinite(rows).any(axis=0)
    rows, seen = rows[:, known], seen[:, known]
    for step in split.steps[:-1]:
        model.set_params(max_iter=step).fit(rows, treated)
        found[f"boost_{step}"] = model.predict_proba(seen)[:, 1]
    return found | _predict_tree_chances(split)


def grow_boosts(
    split: Split,
    x: FloatArray,
    outcome: FloatArray,
    rows: Mask,
    seen: Sequence[FloatArray],
    *,
    checkpoints: int | None = None,
) -> list[FloatArray]:
    """Predictions (len(seen), h) at each checkpoint, or the first few, of a boosted fit to `rows`."""
    model = _make_boost(split, is_chance=False)
    train = x[rows]
    known = np.isfinite(train).any(axis=0)
    grown = []
    for step in split.steps[:checkpoints]:
        model.set_params(max_iter=step).fit(train[:, known], outcome[rows])
        grown.append(np.stack([model.predict(part[:, known]) for part in seen]))
    return grown


LEARNERS: Final[tuple[Callable[[Split], Predictions], ...]] = (
    predict_ridges, predict_waves, predict_indexes, predict_boosts, predict_arm_boosts, predict_trees, predict_gaussian,
)  # fmt: skip


def _predict_logits(split: Split) -> Predictions:
    from sklearn.linear_model import LogisticRegression

    designs: list[tuple[str, FloatArray, Sequence[float]]] = [("logit", split.basis, _LOGIT_C)]
    designs += [(name, columns, _BENT_C) for name, columns in split.bent.items()]
    found: Predictions = {}
    for name, design, strengths in designs:
        for strength in strengths if design.shape[1] else ():
            model = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=100)
            model.fit(design[split.train], split.is_treated[split.train])
            found[f"{name}_{strength:g}"] = model.predict_proba(design[split.held])[:, 1]
    return found


def _predict_tree_chances(split: Split) -> Predictions:
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(
        100, min_samples_leaf=10, max_features=0.5, random_state=split.seed
    )
    model.fit(split.filled[split.train], split.is_treated[split.train])
    return {"trees": model.predict_proba(split.filled[split.held])[:, 1]}


def _make_boost(split: Split, *, is_chance: bool) -> Any:
    """Shallow trees that see half of the columns at each split; grown on by `warm_start`."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options: dict[str, Any] = {
        "learning_rate": split.rate, "min_samples_leaf": 10, "max_features": 0.5,
        "early_stopping": False, "warm_start": True, "random_state": split.seed,
    }  # fmt: skip
    if is_chance:
        return HistGradientBoostingClassifier(max_leaf_nodes=6, l2_regularization=5.0, **options)
    return HistGradientBoostingRegressor(max_leaf_nodes=8, l2_regularization=1.0, **options)


def _fit_products(split: Split) -> tuple[FloatArray, FloatArray]:
    """A lasso with products of columns: its fit (n,) and its held predictions (2, h)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV, RidgeCV

    if split.filled.shape[1] == 0:
        return np.zeros(len(split.outcome)), predict_means(split)["mean"]
    design = _design(split, split.train, split.is_treated, is_bent=True)
    plain = RidgeCV(_PENALTIES).fit(design, split.outcome[split.train])
    left = split.outcome[split.train] - plain.predict(design)
    extra = _choose_products(split, left)
    model = LassoCV(cv=3, alphas=30, eps=1e-3, max_iter=500, tol=1e-3)
    every = np.ones(len(split.outcome), dtype=np.bool_)

    def widen(rows: Mask, treated: FloatArray) -> FloatArray:
        contrast = (treated[rows] - split.share)[:, None]
        plain = _design(split, rows, treated, is_bent=True)
        return np.column_stack([plain, extra[rows], contrast * extra[rows]])

    wide = widen(every, split.is_treated)
    with warnings.catch_warnings():
        # a path not followed to its very end is one more candidate, judged like the others
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(wide[split.train], split.outcome[split.train])
    held = [widen(split.held, np.full(len(wide), v)) for v in (0.0, 1.0)]
    return model.predict(wide), np.stack([model.predict(part) for part in held])


def _fit_steps(split: Split, gap: FloatArray, rows: Mask) -> dict[str, FloatArray]:
    """Held predictions (h,) of `gap` (n,) learned from `rows`: a line, and trees on what it leaves."""
    from sklearn.linear_model import RidgeCV

    if split.basis.shape[1] == 0:
        return {}
    model = RidgeCV(_PENALTIES).fit(split.basis[rows], gap[rows])
    line = model.predict(split.basis)
    seen = [split.features[split.held]]
    trees = grow_boosts(split, split.features, gap - line, rows, seen, checkpoints=2)
    return {"ridge": line[split.held], "boost": line[split.held] + trees[-1][0]}


def _choose_products(split: Split, left: FloatArray) -> FloatArray:
    """Products of two columns (or squares), standardised: those most correlated with `left`.

    Of wide tables only the columns that vary most with `left` in size or square are paired.
    """
    z = np.clip(split.filled, -_REACH, _REACH)
    if z.shape[1] > _PRODUCT_COLUMNS:
        pull = np.abs((z[split.train] ** 2).T @ left) + np.abs(
            z[split.train].T @ split.outcome[split.train]
        )
        z = z[:, np.sort(np.argsort(-pull, kind="stable")[:_PRODUCT_COLUMNS])]
    first, second = np.triu_indices(z.shape[1])
    products = z[:, first] * z[:, second]
    seen = products[split.train]
    centre, scale = seen.mean(axis=0), seen.std(axis=0)
    is_kept = scale > 1e-6
    products = (products[:, is_kept] - centre[is_kept]) / scale[is_kept]
    strength = np.abs(products[split.train].T @ (left - left.mean()))
    chosen: FloatArray = products[:, np.argsort(-strength, kind="stable")[:_PRODUCTS]]
    return chosen


def _design(split: Split, rows: Mask, treated: FloatArray, *, is_bent: bool) -> FloatArray:
    """Basis, centred treatment, and (if bent) their products, for `rows`."""
    basis, contrast = split.basis[rows], treated[rows] - split.share
    parts = [basis, _FREE * contrast[:, None]]
    if is_bent:
        parts.append(contrast[:, None] * basis)
    return np.column_stack(parts)


def _predict_both(split: Split, model: Any, *, is_bent: bool) -> FloatArray:
    n = len(split.outcome)
    return np.stack(
        [
            model.predict(_design(split, split.held, np.full(n, value), is_bent=is_bent))
            for value in (0.0, 1.0)
        ]
    )


def _with_treatment(split: Split, value: int) -> FloatArray:
    seen = split.features[split.held]
    return np.column_stack([seen, np.full(len(seen), float(value))])
