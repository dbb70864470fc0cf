"""What a model is trained on, so that selection does not bias it: naive, IPS, SNIPS, doubly robust.

With squared loss the doubly robust objective of Wang et al. 2019
(http://proceedings.mlr.press/v97/wang19n.html) equals, up to a constant, regression over all pairs on
the pseudo-rating r̃ + o (r − r̃) / p. Here r̃ is a model trained on the rated pairs under weights
1/pᵅ (α is `power`; Wang et al. have α = 1 and alternate), and what is learned of the pseudo-ratings
is a correction to r̃. `stabledr` takes from Li et al. 2023 (https://arxiv.org/abs/2205.04701) only
that weights are divided by their mean, and tempers them to 1/pᵅ; it does not cycle over propensities
as they do. With α < 1 `ips` is normalised too, and then equals `snips`.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.recommend.data import Floats, Ratings
from tasks.recommend.models import Inputs
from tasks.recommend.train import Fitted, fit_grid

METHODS: Final = ("naive", "ips", "snips", "dr", "stabledr")


def weigh(ratings: Ratings, propensities: Floats, *, power: float, is_normalised: bool) -> Floats:
    """Weights 1/pᵖᵒʷᵉʳ of the rated pairs in a grid (users, items), 0 elsewhere.

    Normalised they sum to the number of ratings (SNIPS); else their expectation does, as Σ 1/p over
    the rated pairs is in expectation the number of all pairs.
    """
    own = propensities[ratings.users, ratings.items] ** -power
    scale = len(own) / own.sum() if is_normalised or power != 1 else (
        len(own) / float(np.prod(ratings.shape))
    )  # fmt: skip
    grid = np.zeros(ratings.shape)
    grid[ratings.users, ratings.items] = own * scale
    return grid


def fit_debiased(
    method: str,
    ratings: Ratings,
    inputs: Inputs,
    propensities: Floats,
    *,
    variances: Mapping[str, float],
    seed: int,
    power: float = 0.5,
    penalty: float = 1.0,
    device: str = "cpu",
) -> Fitted:
    """The model trained by `method` of METHODS; raises ConfigError for another."""
    if method not in METHODS:
        raise ConfigError(f"there is no method {method!r}; choose of {', '.join(METHODS)}")
    targets = np.zeros(ratings.shape)
    targets[ratings.users, ratings.items] = ratings.ratings
    weights = weigh(
        ratings,
        propensities,
        power=0.0 if method == "naive" else power,
        is_normalised=method != "ips",
    )
    first = fit_grid(
        inputs, targets, weights, variances=variances, seed=seed, penalty=penalty, device=device
    )
    if method not in ("dr", "stabledr"):
        return first
    seen = weights > 0
    lift = weigh(ratings, propensities, power=1.0 if method == "dr" else power,
                 is_normalised=method == "stabledr") * (seen.size / len(ratings))  # fmt: skip
    correction = lift * np.where(seen, targets - first.grid, 0.0)
    share = np.full(seen.shape, len(ratings) / seen.size)
    second = fit_grid(
        inputs, correction, share, variances=variances, seed=seed, penalty=penalty, device=device
    )
    parts = {f"imputed_{k}": v for k, v in first.parameters.items()}
    return Fitted(first.grid + second.grid, {**parts, **second.parameters})
