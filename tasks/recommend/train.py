"""Fits a model of ratings: penalised weighted least squares by full-batch L-BFGS, CPU or CUDA."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tasks.platform.errors import EstimationError
from tasks.recommend import models
from tasks.recommend.data import Codes, Floats
from tasks.recommend.models import Inputs

MAX_PAIRS: Final = 20_000_000
"""Users times items: about a gigabyte of float32 with gradients."""


def check_size(shape: tuple[int, int]) -> None:
    """Raise EstimationError for more users times items than are trained at once."""
    if shape[0] * shape[1] > MAX_PAIRS:
        raise EstimationError(
            f"{shape[0]:,} users x {shape[1]:,} items are more than the {MAX_PAIRS:,} pairs that "
            "training holds at once; take a sample of the users"
        )


@dataclass(frozen=True)
class Fitted:
    """A fitted model: predictions of all pairs, `grid` (users, items), and its scaled parameters."""

    grid: Floats
    parameters: Mapping[str, Floats]

    def predict_grid(self) -> Floats:
        """Predicted ratings of all pairs, shape (users, items)."""
        return self.grid

    def predict(self, users: Codes, items: Codes) -> Floats:
        """Predicted ratings, shape (n,)."""
        return self.grid[users, items]


def fit_grid(
    inputs: Inputs,
    targets: Floats,
    weights: Floats,
    *,
    variances: Mapping[str, float],
    seed: int,
    rank: int = 4,
    penalty: float = 1.0,
    steps: int = 60,
    device: str = "cpu",
) -> Fitted:
    """The model of `targets` (users, items) that minimises Σ w (target − f)² + penalty · Σ θ².

    `weights` (users, items) are 0 where there is no target. Raises EstimationError when all are 0 or
    some are not finite.
    """
    import torch

    if not np.isfinite(weights).all() or not weights.sum() > 0 or (weights < 0).any():
        raise EstimationError(
            "weights must be finite, at least 0, and not all 0; check propensities"
        )
    generator = torch.Generator().manual_seed(seed)
    centre = float((weights * targets).sum() / weights.sum())
    users, items, exposure, target, weight = (
        torch.as_tensor(part, dtype=torch.float32, device=device)
        for part in (
            inputs.user_features, inputs.item_features, inputs.exposure,
            np.where(weights > 0, targets - centre, 0.0), weights,
        )
    )  # fmt: skip
    theta = models.build_parameters(
        inputs, variances, rank=rank, generator=generator, device=device
    )
    for value in theta.values():
        value.requires_grad_(True)

    def forward() -> Any:
        scaled = models.scale_parameters(theta, variances, rank=rank)
        return models.predict_grid(scaled, users, items, exposure)

    def loss() -> Any:
        fit = (weight * (forward() - target) ** 2).sum()
        return fit + penalty * sum((v**2).sum() for k, v in theta.items() if k != "mean")

    optimiser = torch.optim.LBFGS(
        list(theta.values()), max_iter=steps, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> Any:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        grid = forward().double().cpu().numpy() + centre
        scaled = models.scale_parameters(theta, variances, rank=rank)
    kept = {name: value.detach().double().cpu().numpy() for name, value in scaled.items()}
    kept["mean"] = kept["mean"] + centre
    return Fitted(grid, kept)
