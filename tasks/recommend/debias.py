"""What a model is trained on, so that selection does not bias it: naive, IPS, SNIPS, doubly robust.

With squared loss the doubly robust objective of Wang et al. 2019
(http://proceedings.mlr.press/v97/wang19n.html) equals, up to a constant, regression over all pairs on
the pseudo-rating r̃ + o (r − r̃) / p. Here r̃ is a model trained on the rated pairs under weights
1/pᵅ (α is `power`; Wang et al. have α = 1 and alternate), and what is learned of the pseudo-ratings
is a correction to r̃, over all pairs exactly, none sampled. `stabledr` takes from Li et al. 2023
(https://arxiv.org/abs/2205.04701) only that weights are divided by their mean, and tempers them to
1/pᵅ; it does not cycle over propensities as they do. With α < 1 `ips` is normalised too, and then
equals `snips`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.recommend.data import Floats, Ratings
from tasks.recommend.models import Inputs, Recommender
from tasks.recommend.train import Budget, Check, Objective, Watch, fit_model

METHODS: Final = ("naive", "ips", "snips", "dr", "stabledr")


@dataclass(frozen=True)
class Fit:
    """What was fitted, stage by stage: the model is the sum of its stages."""

    stages: tuple[Recommender, ...]

    @property
    def model(self) -> Recommender:
        """The sum of the stages."""
        total = self.stages[0]
        for stage in self.stages[1:]:
            total = total.add(stage)
        return total


@dataclass(frozen=True)
class Recipe:
    """How to train: method of METHODS, power of 1/p, rank, budgets, and the priors.

    The last of `budgets` holds for all later stages; a stage of 0 steps is left out.

    `variances` of the parts and the `penalty`, the variance of the noise, are shares of the variance
    of the ratings, so that stars, grades and clicks are treated alike. `is_of_rows` says that
    propensities are chances of a row of a log, which shows a pair often, not of a pair: their weights
    are divided by their mean whatever the method, as Σ 1/p is then no number of pairs.
    """

    variances: Mapping[str, float]
    method: str = "naive"
    power: float = 0.5
    penalty: float = 0.5
    rank: int = 4
    budgets: tuple[Budget, ...] = (Budget(),)
    device: str = "cpu"
    is_of_rows: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"there is no method {self.method!r}; choose of {', '.join(METHODS)}")

    @property
    def is_corrected(self) -> bool:
        """Whether a second stage corrects the first over all pairs."""
        return self.method in ("dr", "stabledr")


def weigh(
    propensities: Floats, *, power: float, is_normalised: bool, n_pairs: int | None = None
) -> Floats:
    """Weights 1/pᵖᵒʷᵉʳ of rated pairs, shape (n,).

    Normalised they sum to the number of ratings (SNIPS); else their expectation does, as Σ 1/p over
    the rated pairs is in expectation `n_pairs`, the number of all pairs.
    """
    own: Floats = propensities**-power
    total = own.sum() if is_normalised or power != 1 or n_pairs is None else n_pairs
    return own * (len(own) / total)


def fit_debiased(
    recipe: Recipe,
    ratings: Ratings,
    inputs: Inputs,
    propensities: Floats,
    *,
    seed: int,
    warm: Sequence[Mapping[str, Floats]] = (),
    stages: int = 2,
    check: Check | None = None,
    watch: Watch | None = None,
) -> Fit:
    """The model trained by `recipe.method` on `ratings`, whose propensities have shape (n,).

    `warm` are the parameters of an earlier fit's stages, to start from. Of a corrected method
    `stages` can be 1, to leave the correction out; `check` looks at the last stage that is fitted.
    """
    has_correction = recipe.is_corrected and stages > 1 and recipe.budgets[-1].steps > 0
    starts = [*warm, None, None]
    recipe = scale_priors(recipe, ratings)
    weights = weigh(
        propensities,
        power=0.0 if recipe.method == "naive" else recipe.power,
        is_normalised=recipe.is_of_rows or recipe.method != "ips",
        n_pairs=int(np.prod(ratings.shape)),
    )
    objective = Objective(ratings.users, ratings.items, weights, weights * ratings.ratings)
    first = _fit(
        recipe, objective, inputs, recipe.budgets[0], seed=seed, warm=starts[0],
        check=None if has_correction else check, watch=watch,
    )  # fmt: skip
    if not has_correction:
        return Fit((first,))
    objective = make_correction(recipe, ratings, propensities, first)
    second = _fit(
        recipe, objective, inputs, recipe.budgets[-1], seed=seed, warm=starts[1],
        check=None if check is None else _check_sum(check, first), watch=watch,
    )  # fmt: skip
    return Fit((first, second))


def scale_priors(recipe: Recipe, ratings: Ratings) -> Recipe:
    """The recipe with priors in squared rating points; equal ratings count as of variance 1."""
    total = float(ratings.ratings.var())
    size = total if total > 0 else 1.0
    parts = {part: share * size for part, share in recipe.variances.items()}
    return replace(recipe, variances=parts, penalty=recipe.penalty * size)


def _check_sum(check: Check, first: Recommender) -> Check:
    return lambda second: check(first.add(second))


def make_correction(
    recipe: Recipe, ratings: Ratings, propensities: Floats, first: Recommender
) -> Objective:
    """Regression over all pairs on o (r − r̃) / p, weighted so that all pairs weigh as the ratings."""
    n_pairs = int(np.prod(ratings.shape))
    is_stable = recipe.method == "stabledr"
    lift = weigh(
        propensities, power=recipe.power if is_stable else 1.0,
        is_normalised=recipe.is_of_rows or is_stable, n_pairs=n_pairs,
    )  # fmt: skip
    left_over = ratings.ratings - first.predict(ratings.users, ratings.items)
    nothing = np.zeros(len(ratings))
    return Objective(
        ratings.users, ratings.items, nothing, lift * left_over,
        all_pairs=len(ratings) / n_pairs,
    )  # fmt: skip


def _fit(
    recipe: Recipe, objective: Objective, inputs: Inputs, budget: Budget, *, seed: int,
    warm: Mapping[str, Floats] | None, check: Check | None, watch: Watch | None,
) -> Recommender:  # fmt: skip
    return fit_model(
        objective, inputs, variances=recipe.variances, seed=seed, rank=recipe.rank,
        penalty=recipe.penalty, budget=budget, warm=warm, check=check, watch=watch,
        device=recipe.device,
    )  # fmt: skip
