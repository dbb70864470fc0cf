"""Fits a model of ratings: penalised weighted least squares over rated pairs and over all pairs.

The gradient is exact: residuals of the rated pairs are a sparse matrix (users, items) and its
products with the towers give the gradient, so a pass costs time and memory linear in the ratings.
Full-gradient quasi-Newton steps need no learning rate and, unlike stochastic ones, give the same
answer on CPU and CUDA and from a warm start as from a cold one, up to the tolerance.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from tasks.platform.errors import EstimationError
from tasks.recommend import models
from tasks.recommend.data import Codes, Floats
from tasks.recommend.models import Inputs, Recommender

THREAD_RATINGS: Final = 200_000
"""Ratings from which on a fit takes more than one thread."""
ROUND: Final = 5
"""Quasi-Newton steps between two looks at the validation ratings."""


@dataclass(frozen=True)
class Objective:
    """Minimise Σ_rated (w f² − 2 v f) + all_pairs · Σ_ui f² + penalty · Σ θ², up to a constant.

    `users`, `items`, `weights` w and `pulls` v have shape (n,). Weighted least squares of targets t
    has v = w·t; with `all_pairs` > 0 every pair, rated or not, is pulled to 0 by that much.
    """

    users: Codes
    items: Codes
    weights: Floats
    pulls: Floats
    all_pairs: float = 0.0

    def check(self) -> None:
        """Raise EstimationError unless weights are finite, at least 0 and not all 0."""
        total = self.weights.sum() + self.all_pairs
        if not np.isfinite(self.weights).all() or not total > 0 or (self.weights < 0).any():
            raise EstimationError(
                "weights must be finite, at least 0, and not all 0; check propensities"
            )


@dataclass(frozen=True)
class Progress:
    """One look: steps done, objective per rating, and the validation loss where there is one."""

    step: int
    objective: float
    validation: float | None


@dataclass(frozen=True)
class Budget:
    """When to stop: after `steps`, or `patience` looks without a better validation loss."""

    steps: int = 60
    patience: int = 2
    tolerance: float = 1e-6


Watch = Callable[[Progress], None]
Check = Callable[[Recommender], float]


class _Solver:
    """The parameters as torch tensors, the objective and its exact gradient."""

    def __init__(
        self, objective: Objective, inputs: Inputs, variances: Mapping[str, float], *, rank: int,
        penalty: float, device: str,
    ) -> None:  # fmt: skip
        import torch

        self._torch, self.inputs, self.penalty = torch, inputs, penalty
        self.tensors = models.as_tensors(inputs, dtype=torch.float32, device=device)
        self.sizes = models.list_sizes(inputs, variances, rank=rank)
        self.scales = models.find_scales(self.sizes, variances, rank=rank)
        self.pairs = _SparsePairs(objective, inputs.shape, device)
        self.all_pairs, self.device = objective.all_pairs, device
        self.theta: dict[str, Any] = {}
        self.steps: dict[str, Any] = {}
        self.phi: dict[str, Any] = {}

    def start(self, seed: int, centre: float, warm: Mapping[str, Floats] | None) -> None:
        """Zeros, but for latent vectors, which 0 would never leave; or a fitted model's."""
        torch = self._torch
        generator = torch.Generator().manual_seed(seed)
        for name, size in self.sizes.items():
            value = torch.zeros(size)
            if name.startswith("latent"):
                value = torch.randn(size, generator=generator) * 0.3
            if name == "mean":
                value = torch.tensor(centre)
            known = None if warm is None else warm.get(name)
            if known is not None and known.shape == tuple(size):
                value = torch.as_tensor(known / self.scales[name], dtype=torch.float32)
            self.theta[name] = value.float().to(self.device)
        self._precondition()

    def _precondition(self) -> None:
        """Solve for φ = θ · √curvature instead: a mean of all ratings curves as all users together.

        The curvature of a parameter is its diagonal of the Hessian at the start; as towers are linear
        in it, that is the towers' own curvature carried back through squared inputs.
        """
        torch = self._torch
        a, b = models.make_towers(self._scale(self.theta), self.tensors)
        curves = self.pairs.curve(a, b)
        if self.all_pairs:
            curves = tuple(
                curve + self.all_pairs * (other**2).sum(dim=0)
                for curve, other in zip(curves, (b, a), strict=True)
            )
        squares = {name: value**2 for name, value in self.tensors.items()}
        probe = {n: torch.zeros_like(t).requires_grad_(True) for n, t in self.theta.items()}
        towers = models.make_towers(
            {name: value * self.scales[name] ** 2 for name, value in probe.items()}, squares
        )
        _carry_back(towers, curves)
        for name, value in self.theta.items():
            grad = probe[name].grad
            own = self.penalty if name != "mean" else 1e-6
            self.steps[name] = (own + (grad if grad is not None else 0.0)) ** -0.5
            self.phi[name] = (value / self.steps[name]).requires_grad_(True)

    def _scale(self, theta: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value * self.scales[name] for name, value in theta.items()}

    def scale(self) -> dict[str, Any]:
        """Parameters in rating units."""
        return self._scale({name: value * self.steps[name] for name, value in self.phi.items()})

    def measure(self) -> Any:
        """The objective; its gradient is left on the parameters."""
        a, b = models.make_towers(self.scale(), self.tensors)
        value, grad_a, grad_b = self.pairs.measure(a.detach(), b.detach())
        if self.all_pairs:
            gram_a, gram_b = a.detach().T @ a.detach(), b.detach().T @ b.detach()
            value = value + self.all_pairs * (gram_a.double() * gram_b.double()).sum()
            grad_a = grad_a + 2 * self.all_pairs * (a.detach() @ gram_b)
            grad_b = grad_b + 2 * self.all_pairs * (b.detach() @ gram_a)
        _carry_back((a, b), (grad_a, grad_b))
        for name, phi in self.phi.items():
            if name != "mean":
                theta = phi.detach() * self.steps[name]
                value = value + self.penalty * (theta.double() ** 2).sum()
                phi.grad.add_(theta * self.steps[name], alpha=2 * self.penalty)
        return value

    def read(self) -> Recommender:
        kept = {name: value.detach().double().cpu().numpy() for name, value in self.scale().items()}
        return Recommender(kept, self.inputs)


def _carry_back(towers: tuple[Any, Any], grads: tuple[Any, Any]) -> None:
    """Backward from both towers; one that holds no parameter is left out."""
    import torch

    known = [(t, g) for t, g in zip(towers, grads, strict=True) if t.requires_grad]
    torch.autograd.backward([t for t, _ in known], [g for _, g in known])


class _SparsePairs:
    """The rated pairs, each once, as a sparse matrix by user, and by item."""

    def __init__(self, objective: Objective, shape: tuple[int, int], device: str) -> None:
        import torch

        pairs, own = np.unique(objective.users * shape[1] + objective.items, return_inverse=True)
        users, items = np.divmod(pairs, shape[1])
        weights, pulls = (np.bincount(own, part) for part in (objective.weights, objective.pulls))
        back = np.lexsort((users, items))
        self._shape, self._torch = shape, torch
        self.by_user = _index_rows(users, items, shape[0], device)
        self.by_item = _index_rows(items[back], users[back], shape[1], device)
        self.back = torch.as_tensor(back, device=device)
        held = weights > 0
        targets = np.divide(pulls, weights, out=np.zeros(len(held)), where=held)
        self.weights, self.targets, self.pulls = (
            torch.as_tensor(part, dtype=torch.float32, device=device)
            for part in (weights, targets, np.where(held, 0.0, pulls))
        )
        with warnings.catch_warnings():
            # torch calls its sparse rows beta, once a process; the tests hold what is used of them
            warnings.simplefilter("ignore", UserWarning)
            self.blank = self._sparse(self.by_user, torch.zeros_like(self.weights), shape)

    def measure(self, a: Any, b: Any) -> tuple[Any, Any, Any]:
        """Σ w (f − v/w)², or Σ −2 v f where w is 0, and its gradients by both towers.

        Written with the residual, since w f² − 2 v f cancels in single precision.
        """
        torch = self._torch
        found = torch.sparse.sampled_addmm(self.blank, a, b.T, beta=0.0).values()
        left_over = found - self.targets
        slope = 2 * (self.weights * left_over - self.pulls)
        value = (self.weights * left_over**2 - 2 * self.pulls * found).sum(dtype=torch.float64)
        grad_a = self._sparse(self.by_user, slope, self._shape) @ b
        grad_b = self._sparse(self.by_item, slope[self.back], self._shape[::-1]) @ a
        return value, grad_a, grad_b

    def curve(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Diagonal of the second derivative by both towers, halved."""
        by_user = self._sparse(self.by_user, self.weights, self._shape)
        by_item = self._sparse(self.by_item, self.weights[self.back], self._shape[::-1])
        return by_user @ b**2, by_item @ a**2

    def _sparse(self, index: tuple[Any, Any], values: Any, shape: tuple[int, int]) -> Any:
        return self._torch.sparse_csr_tensor(*index, values, shape, check_invariants=False)


def _index_rows(rows: Codes, columns: Codes, n_rows: int, device: str) -> tuple[Any, Any]:
    import torch

    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])
    return (
        torch.as_tensor(starts.astype(np.int32), device=device),
        torch.as_tensor(columns.astype(np.int32), device=device),
    )


def fit_model(
    objective: Objective,
    inputs: Inputs,
    *,
    variances: Mapping[str, float],
    seed: int,
    rank: int = 4,
    penalty: float = 1.0,
    budget: Budget | None = None,
    warm: Mapping[str, Floats] | None = None,
    check: Check | None = None,
    watch: Watch | None = None,
    device: str = "cpu",
) -> Recommender:
    """The model that minimises `objective`; `warm` parameters of fitting shape are started from.

    With `check`, a validation loss, the best model looked at is returned and training stops early.
    Raises EstimationError for weights that are all 0 or not finite.
    """
    objective.check()
    limit = budget or Budget()
    solver = _Solver(objective, inputs, variances, rank=rank, penalty=penalty, device=device)
    total = float(objective.weights.sum())
    centre = float(objective.pulls.sum()) / total if total > 0 else 0.0
    solver.start(seed, centre, warm)
    # threads that wait for one another cost more than they bring on few ratings
    few = len(objective.users) < THREAD_RATINGS
    with threadpool_limits(1 if few else None):
        return _descend(solver, limit, len(objective.users), check=check, watch=watch)


def _descend(
    solver: _Solver, limit: Budget, n: int, *, check: Check | None, watch: Watch | None
) -> Recommender:
    import torch

    optimiser = torch.optim.LBFGS(
        list(solver.phi.values()), max_iter=ROUND, history_size=10, line_search_fn="strong_wolfe",
        tolerance_grad=0.0, tolerance_change=0.0,
    )  # fmt: skip

    def closure() -> Any:
        optimiser.zero_grad()
        return solver.measure()

    best, least, idle, last = None, np.inf, 0, np.inf
    for step in range(ROUND, limit.steps + ROUND, ROUND):
        optimiser.step(closure)  # type: ignore[no-untyped-call]
        now = float(closure()) / n
        loss = None if check is None else check(solver.read())
        if watch is not None:
            watch(Progress(step, now, loss))
        if loss is not None:
            idle = 0 if loss < least else idle + 1
            if loss < least:
                best, least = solver.read(), loss
            if idle >= limit.patience:
                break
        if abs(last - now) <= limit.tolerance * max(1.0, abs(now)):
            break
        last = now
    return best if best is not None else solver.read()
