"""Worlds of two arms to choose estimators on, in the manner of the published ones but none of them.

Small worlds are like a trial that lost a part of one arm (Hill 2011, "Bayesian nonparametric modeling
for causal inference"): 747 rows, 6 continuous and 19 binary columns that hang together, treatment
drawn for 40% of the rows, then most of the treated of one corner taken out, so that the untreated
there have next to no like. Large worlds are like the ones of the 2016 competition (Dorie, Hill,
Shalit, Scott & Cervone 2019): 58 mixed columns, both the propensity and the outcome made of lines,
squares, steps and products of a few columns, some of which they share.

Noise has deviation 1 and mu0 about 1 to 3 of it. `overlap` "strong" keeps propensities mostly
within .1 and .9; "weak" drives a fifth to a half of the rows beyond .02 and .98.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tests.effects.arms import Arms

FloatArray = NDArray[np.float64]
Surface = Literal["linear", "exp", "step", "products"]
Overlap = Literal["strong", "weak"]
SURFACES: Final[tuple[Surface, ...]] = ("linear", "exp", "step", "products")
SMALL_ROWS: Final = 747


@dataclass(frozen=True)
class Setting:
    """One family of worlds."""

    size: Literal["small", "large"]
    surface: Surface
    overlap: Overlap

    @property
    def name(self) -> str:
        return f"{self.size} {self.surface} {self.overlap}"


SETTINGS: Final = tuple(
    Setting(size, surface, overlap)
    for size in ("small", "large")
    for surface in SURFACES
    for overlap in ("strong", "weak")
)


def make_world(setting: Setting, seed: int, *, rows: int | None = None) -> Arms:
    """One draw of a setting; `rows` other than the usual 747 or 2,000."""
    rng = np.random.default_rng([seed, SETTINGS.index(setting)])
    if setting.size == "small":
        return _make_small(rng, setting, rows or SMALL_ROWS)
    return _make_large(rng, setting, rows or 2_000)


def _make_small(rng: np.random.Generator, setting: Setting, rows: int) -> Arms:
    """A trial that lost most of its treated in one corner; drawn until `rows` are left."""
    mixing = rng.normal(size=(4, 25))
    levels = rng.normal(scale=0.7, size=19)
    lost, kept = (0.6, 0.7) if setting.overlap == "strong" else (0.98, 0.5)
    corner = rng.choice(6, 2, replace=False)
    x, e = np.zeros((0, 25)), np.zeros(0)
    while len(x) < rows:
        latent = 0.5 * rng.normal(size=(4 * rows, 4)) @ mixing + rng.normal(size=(4 * rows, 25))
        new = np.column_stack([latent[:, :6], latent[:, 6:] > levels])
        inside = (new[:, corner[0]] > 1.0) | (new[:, corner[1]] > 1.5)
        stays = np.where(inside, 1 - lost, kept)
        # a treated row stays with that chance, an untreated always
        is_there = rng.random(len(new)) < 0.4 * stays + 0.6
        x = np.vstack([x, new[is_there]])
        e = np.append(e, (0.4 * stays / (0.4 * stays + 0.6))[is_there])
    x, e = x[:rows], e[:rows]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    mu0, effect = _small_surface(rng, setting.surface, z)
    return _draw(rng, x, e, mu0, effect)


def _small_surface(
    rng: np.random.Generator, surface: Surface, z: FloatArray
) -> tuple[FloatArray, FloatArray]:
    weights = rng.choice([0.0, 0.1, 0.2, 0.3, 0.4], 25, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    line = z @ weights
    if surface == "linear":
        return 2 * line, np.full(len(z), 2.0)
    if surface == "exp":
        # a bent surface for one arm, a line for the other
        mu0 = np.exp(np.minimum(line + 0.5, 4.0))
        return mu0, line + 3 - mu0
    a, b, c, d = (z[:, i] for i in rng.choice(6, 4, replace=False))
    if surface == "step":
        return line + 2.0 * (a > 0) * (b > -0.5), 1 + 1.0 * (c > 0.3) - 0.5 * (a > 0)
    return line + a * b + 0.5 * c**2, 1 + 0.7 * a + 0.5 * c * d


def _make_large(rng: np.random.Generator, setting: Setting, rows: int) -> Arms:
    latent = rng.normal(size=(rows, 58)) + 0.5 * rng.normal(size=(rows, 6)) @ rng.normal(
        size=(6, 58)
    )
    latent /= latent.std(axis=0)
    x = latent.copy()
    x[:, 20:40] = np.floor(np.exp(0.8 * latent[:, 20:40]))
    x[:, 40:] = latent[:, 40:] > rng.normal(scale=0.8, size=18)
    z = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    z = np.clip(z, -3, 3)
    shared = rng.choice(58, 4, replace=False)
    score = _mix(rng, setting.surface, z, shared)
    strength = 0.9 if setting.overlap == "strong" else 3.0
    e = 1 / (1 + np.exp(-strength * score + 0.5))
    mu0 = 2 * _mix(rng, setting.surface, z, shared) + 0.5 * score
    effect = 1.5 + 0.7 * _mix(rng, setting.surface, z, shared)
    return _draw(rng, x, e, mu0, effect)


def _mix(
    rng: np.random.Generator, surface: Surface, z: FloatArray, shared: NDArray[np.int64]
) -> FloatArray:
    """A function of the shared columns and some of its own, of mean 0 and deviation 1."""
    columns = np.concatenate([shared, rng.choice(z.shape[1], 4, replace=False)])
    total = np.zeros(len(z))
    for i in columns:
        a, b = z[:, i], z[:, rng.choice(columns)]
        weight = rng.uniform(0.4, 1.0) * (1 if i in shared else rng.choice([-1, 1]))
        kind = surface if rng.random() < 0.7 else "linear"
        total += weight * {
            "linear": a, "exp": np.exp(0.7 * a), "step": 2.0 * (a > 0.2), "products": a + a * b,
        }[kind]  # fmt: skip
    mixed: FloatArray = (total - total.mean()) / (total.std() + 1e-9)
    return mixed


def _draw(
    rng: np.random.Generator, x: FloatArray, e: FloatArray, mu0: FloatArray, effect: FloatArray
) -> Arms:
    d = (rng.random(len(e)) < e).astype(np.int64)
    mu1 = mu0 + effect
    y = np.where(d == 1, mu1, mu0) + rng.normal(size=len(e))
    return Arms(x, d, y, mu0, mu1, e)
