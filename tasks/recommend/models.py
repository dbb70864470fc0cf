"""Ratings as a sum of parts, in torch: r_ui = μ + g_u + h_i + φ(x_u, x_i) + features + ε.

The parts, each with a prior variance of its own (0 leaves it out):

    user, item            g_u, h_i
    latent                φ(x_u, x_i) = x_u · x_i of learned latent vectors
    user_features, item_features, cross
                          a·z_u, b·z_i and z_uᵀ W z_i: what a user or item never seen is predicted by
    taste                 t_u · z_i: how this user departs from users of the same features
    appeal                s_i · z_u: whom this item appeals to beyond what its features say
    exposure, exposure_user
                          c·e_ui and e_uiᵀ C z_u of covariates of how the pair came to be seen

Priors are Gaussian: a parameter is stored in units of its prior's standard deviation, so that one
penalty Σθ² holds for all, as in Bayesian factorisation with side information.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.recommend.data import Codes, Floats, Ratings

PARTS: Final = (
    "user", "item", "latent", "user_features", "item_features", "cross", "taste", "appeal",
    "exposure", "exposure_user",
)  # fmt: skip
MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    "bias": ("user", "item"),
    "mf": ("user", "item", "latent"),
    "features": PARTS,
}
"""Parts of each model of the protocol."""


class Model(Protocol):
    """What predicts ratings of pairs of codes; who has no ratings is predicted by features."""

    def predict(self, users: Codes, items: Codes) -> Floats:
        """Predicted ratings, shape (n,)."""
        ...

    def predict_grid(self) -> Floats:
        """Predicted ratings of all pairs, shape (users, items)."""
        ...


@dataclass(frozen=True)
class Inputs:
    """What the parts are made of.

    `user_features` (users, a) and `item_features` (items, b), each row of mean length 1; `exposure`
    (users, items, e).
    """

    user_features: Floats
    item_features: Floats
    exposure: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of users and items."""
        return len(self.user_features), len(self.item_features)


def make_inputs(ratings: Ratings, propensities: Floats | None = None) -> Inputs:
    """Features scaled to rows of length 1; with `propensities` (users, items) their centred logs.

    A regression that also knows the propensity keeps its balance where the outcome model is wrong
    (Bang & Robins 2005, https://doi.org/10.1111/j.1541-0420.2005.00377.x).
    """
    if propensities is None:
        exposure = np.zeros((*ratings.shape, 0))
    else:
        logs = np.log(propensities)
        exposure = (logs - logs.mean())[:, :, None]
    return Inputs(scale_rows(ratings.user_features), scale_rows(ratings.item_features), exposure)


def scale_rows(values: Floats) -> Floats:
    """Rows divided by the root of their mean squared length."""
    size = np.sqrt((values**2).sum(axis=1).mean()) if values.size else 1.0
    return values / size if size > 0 else values


def interact(user: Floats, item: Floats) -> Floats:
    """φ(x_u, x_i) = x_u · x_i over the last axis."""
    product: Floats = (np.asarray(user) * np.asarray(item)).sum(axis=-1)
    return product


def choose_parts(model: str, variances: Mapping[str, float]) -> dict[str, float]:
    """Variances of the parts that `model` has; raises ConfigError for an unknown model or part."""
    if model not in MODELS:
        raise ConfigError(f"there is no model {model!r}; choose of {', '.join(MODELS)}")
    if unknown := sorted(set(variances) - set(PARTS)):
        raise ConfigError(f"there are no parts {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if any(not value >= 0 for value in variances.values()):
        raise ConfigError(f"variances of parts must be 0 or more, found {dict(variances)}")
    return {part: variances.get(part, 0.0) for part in MODELS[model]}


def build_parameters(
    inputs: Inputs, variances: Mapping[str, float], *, rank: int, generator: Any, device: str
) -> dict[str, Any]:
    """Parameters of the parts in use, as torch tensors in units of their priors.

    All start at 0 but the latent vectors, which 0 would never leave.
    """
    import torch

    (n_users, n_items), width = inputs.shape, inputs.exposure.shape[2]
    a, b = inputs.user_features.shape[1], inputs.item_features.shape[1]
    sizes: dict[str, tuple[int, ...]] = {
        "user": (n_users,), "item": (n_items,), "user_features": (a,), "item_features": (b,),
        "cross": (a, b), "taste": (n_users, b), "appeal": (n_items, a),
        "exposure": (width,), "exposure_user": (width, a),
    }  # fmt: skip
    made = {
        part: torch.zeros(sizes[part], device=device)
        for part, variance in variances.items()
        if variance > 0 and part in sizes and np.prod(sizes[part]) > 0
    }
    made["mean"] = torch.zeros((), device=device)
    if variances.get("latent", 0) > 0 and rank > 0:
        for name, size in (("latent_user", n_users), ("latent_item", n_items)):
            start = torch.randn((size, rank), generator=generator) * 0.3
            made[name] = start.to(device)
    return made


def scale_parameters(
    parameters: Mapping[str, Any], variances: Mapping[str, float], *, rank: int
) -> dict[str, Any]:
    """Parameters in rating units. Each latent vector gets the fourth root of its part's variance."""
    scaled = {}
    for name, value in parameters.items():
        if name == "mean":
            scaled[name] = value
        elif name.startswith("latent"):
            scaled[name] = value * (variances["latent"] / rank) ** 0.25
        else:
            scaled[name] = value * variances[name] ** 0.5
    return scaled


def predict_grid(scaled: Mapping[str, Any], users: Any, items: Any, exposure: Any) -> Any:
    """All pairs at once, (users, items); memory grows with the product, so for small worlds."""
    total = scaled["mean"] + users.new_zeros((len(users), len(items)))
    total = total + _main_effects(scaled, users, 0)[:, None] + _main_effects(scaled, items, 1)[None]
    weights = scaled.get("taste", 0) + (users @ scaled["cross"] if "cross" in scaled else 0)
    if not isinstance(weights, int):
        total = total + weights @ items.T
    if "appeal" in scaled:
        total = total + users @ scaled["appeal"].T
    if "latent_user" in scaled:
        total = total + scaled["latent_user"] @ scaled["latent_item"].T
    if "exposure" in scaled:
        total = total + exposure @ scaled["exposure"]
    if "exposure_user" in scaled:
        total = total + (exposure * (users @ scaled["exposure_user"].T)[:, None, :]).sum(dim=2)
    return total


def _main_effects(scaled: Mapping[str, Any], features: Any, side: int) -> Any:
    own, shared = (("user", "user_features"), ("item", "item_features"))[side]
    total = features.new_zeros(len(features))
    if own in scaled:
        total = total + scaled[own]
    if shared in scaled:
        total = total + features @ scaled[shared]
    return total
