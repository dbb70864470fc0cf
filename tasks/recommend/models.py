"""Ratings as a sum of parts: r_ui = μ + g_u + h_i + φ(x_u, x_i) + features + ε, held as two towers.

The parts, each with a prior variance of its own (0 leaves it out):

    user, item            g_u, h_i
    latent                φ(x_u, x_i) = x_u · x_i of learned latent vectors
    user_features, item_features, cross
                          a·z_u, b·z_i and z_uᵀ W z_i: what a user or item never seen is predicted by
    taste                 t_u · z_i: how this user departs from users of the same features
    appeal                s_i · z_u: whom this item appeals to beyond what its features say

Every part is an inner product of something of the user with something of the item, so the whole is
one: r_ui = A_u · B_i (`make_towers`). Sums over all pairs then need no pair: Σ_ui r_ui² is
⟨AᵀA, BᵀB⟩, as in Hu, Koren & Volinsky 2008 (https://doi.org/10.1109/ICDM.2008.22).

Priors are Gaussian: a parameter is stored in units of its prior's standard deviation, so that one
penalty Σθ² holds for all, as in Bayesian factorisation with side information.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tasks.platform.errors import ConfigError
from tasks.recommend.data import Codes, Floats, Ratings

PARTS: Final = (
    "user", "item", "latent", "user_features", "item_features", "cross", "taste", "appeal",
)  # fmt: skip

MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    "bias": ("user", "item"),
    "mf": ("user", "item", "latent"),
    "features": PARTS,
}
"""Parts of each model of the protocol."""


@dataclass(frozen=True)
class Inputs:
    """Features by row of users (users, a) and of items (items, b), rows of mean length 1."""

    user_features: Floats
    item_features: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of users and items."""
        return len(self.user_features), len(self.item_features)


def make_inputs(ratings: Ratings) -> Inputs:
    """The features of users and items, scaled to rows of mean length 1."""
    return Inputs(scale_rows(ratings.user_features), scale_rows(ratings.item_features))


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


def list_sizes(inputs: Inputs, variances: Mapping[str, float], *, rank: int) -> dict[str, Any]:
    """Name and shape of every parameter of the parts in use."""
    n_users, n_items = inputs.shape
    a, b = inputs.user_features.shape[1], inputs.item_features.shape[1]
    sizes: dict[str, tuple[int, ...]] = {
        "user": (n_users,), "item": (n_items,), "user_features": (a,), "item_features": (b,),
        "cross": (a, b), "taste": (n_users, b), "appeal": (n_items, a),
        "latent_user": (n_users, rank), "latent_item": (n_items, rank),
    }  # fmt: skip
    used = {
        name: size
        for name, size in sizes.items()
        if variances.get(name.removesuffix("_user").removesuffix("_item")
                         if name.startswith("latent") else name, 0) > 0 and np.prod(size) > 0
    }  # fmt: skip
    return {"mean": (), **used}


def find_scales(
    names: Mapping[str, Any], variances: Mapping[str, float], *, rank: int
) -> dict[str, float]:
    """What each stored parameter is multiplied by. A latent vector gets its part's fourth root."""
    scales = {"mean": 1.0}
    for name in names:
        if name.startswith("latent"):
            scales[name] = (variances["latent"] / rank) ** 0.25
        elif name != "mean":
            scales[name] = variances[name] ** 0.5
    return scales


def make_towers(scaled: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Any, Any]:
    """A (users, k) and B (items, k) with r_ui = A_u · B_i; torch in, torch out.

    `inputs` holds the fields of `Inputs` as tensors.
    """
    import torch

    z_user, z_item = inputs["user_features"], inputs["item_features"]
    own_user = scaled["mean"] + _sum_side(scaled, z_user, "user")
    own_item = _sum_side(scaled, z_item, "item")
    users = [own_user[:, None], torch.ones_like(own_user)[:, None]]
    items = [torch.ones_like(own_item)[:, None], own_item[:, None]]
    for user, item in _pair_parts(scaled, inputs):
        users.append(user)
        items.append(item)
    return torch.cat(users, dim=1), torch.cat(items, dim=1)


def _sum_side(scaled: Mapping[str, Any], features: Any, side: str) -> Any:
    total = features.new_zeros(len(features))
    if side in scaled:
        total = total + scaled[side]
    if f"{side}_features" in scaled:
        total = total + features @ scaled[f"{side}_features"]
    return total


def _pair_parts(scaled: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    z_user, z_item = inputs["user_features"], inputs["item_features"]
    pairs = []
    if "latent_user" in scaled:
        pairs.append((scaled["latent_user"], scaled["latent_item"]))
    weights = [scaled["taste"]] if "taste" in scaled else []
    weights += [z_user @ scaled["cross"]] if "cross" in scaled else []
    if weights:
        pairs.append((sum(weights), z_item))
    if "appeal" in scaled:
        pairs.append((z_user, scaled["appeal"]))
    return pairs


@dataclass(frozen=True)
class Recommender:
    """A fitted model: parameters in rating units by name, and the inputs they stand on."""

    parameters: Mapping[str, Floats]
    inputs: Inputs

    def find_towers(self) -> tuple[Floats, Floats]:
        """A (users, k) and B (items, k), float64, whose inner products are the predictions."""
        import torch

        tensors = {
            name: torch.from_numpy(np.asarray(value, dtype=np.float64))
            for name, value in self.parameters.items()
        }
        a, b = make_towers(tensors, as_tensors(self.inputs, dtype=torch.float64, device="cpu"))
        return a.numpy(), b.numpy()

    def predict(self, users: Codes, items: Codes) -> Floats:
        """Predicted ratings of pairs of codes, shape (n,); memory is bounded by blocks."""
        a, b = self.find_towers()
        found = np.empty(len(users))
        for start in range(0, len(users), 200_000):
            rows = slice(start, start + 200_000)
            found[rows] = np.einsum("nk,nk->n", a[users[rows]], b[items[rows]])
        return found

    def predict_grid(self) -> Floats:
        """Predicted ratings of all pairs, (users, items); for small worlds."""
        a, b = self.find_towers()
        grid: Floats = a @ b.T
        return grid

    def add(self, other: "Recommender") -> "Recommender":
        """The model whose predictions are the sums of both; latent vectors are put side by side."""
        total = dict(self.parameters)
        for name, value in other.parameters.items():
            if name.startswith("latent") and name in total:
                total[name] = np.hstack([total[name], value])
            else:
                total[name] = total[name] + value if name in total else value
        return replace(self, parameters=total)


def as_tensors(inputs: Inputs, *, dtype: Any, device: str) -> dict[str, Any]:
    """The fields of `inputs` as tensors."""
    import torch

    return {
        name: torch.as_tensor(np.asarray(value), dtype=dtype, device=device)
        for name, value in vars(inputs).items()
    }
