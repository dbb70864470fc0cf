"""Errors and coverage of average effects in made worlds: what estimators are chosen on.

Run `python -m tests.benchmarks.bench_effect_worlds [--sizes small,large,bent] [--worlds 3]`; a small or
bent world takes some 8 seconds of one core, a large one 30. For each setting of
`tests.benchmarks.effect_worlds`, and for two bent worlds of its own, it prints the mean absolute error for the effect on the rows at
hand, the share of 95% intervals that hold it and the mean standard error; "oracle" is the inverse
propensity estimate of somebody who knows both surfaces and the propensity.
"""

import argparse
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl

from tasks.effects.controls.columns import build_controls
from tasks.effects.learned.balance import estimate_balance
from tasks.effects.learned.ipw import estimate_ipw
from tasks.effects.learned.irm import estimate_irm, split_nuisances
from tests.benchmarks.effect_worlds import SETTINGS, make_world
from tests.effects.arms import Arms

Z = 1.96


def make_waves(seed: int, *, rows: int = 1_500) -> Arms:
    """Waves of two of six controls confound, and one is a line: learners flatten what waves.

    Who knows neither is told 1.2 more than the effect of about 1; all propensities lie within .1 and .9.
    """
    rng = np.random.default_rng([seed, 1])
    x = np.column_stack(
        [rng.uniform(-3, 3, rows), rng.normal(size=(rows, 4)), rng.uniform(0, 1, rows)]
    )
    wave, ripple = np.cos(2 * x[:, 0]), np.sin(7 * x[:, 5])
    e = 1 / (1 + np.exp(-(0.8 * wave + 0.6 * ripple + 0.4 * x[:, 1] - 0.1)))
    mu0 = 1.5 * wave + 1.2 * ripple + 0.7 * x[:, 1]
    return draw_arms(rng, x, e, mu0, 1 + 0.5 * ripple)


def make_crowd(seed: int, *, rows: int = 1_000) -> Arms:
    """Thirty controls, four of which confound: by a wave, by distance from zero, and as a product."""
    rng = np.random.default_rng([seed, 2])
    x = rng.normal(size=(rows, 30))
    x[:, 20:] = x[:, 20:] > 0.3
    wave, distance, both = np.sin(2.2 * x[:, 0]), np.abs(x[:, 1]) - 0.8, x[:, 2] * x[:, 20]
    e = 1 / (1 + np.exp(-(0.9 * wave + 0.9 * distance + 0.5 * both - 0.2)))
    mu0 = 1.3 * (wave + distance) + 0.8 * both + 0.4 * x[:, 3]
    return draw_arms(rng, x, e, mu0, 1 + 0.5 * x[:, 21] + 0.3 * wave)


BENT: dict[str, Callable[[int], Arms]] = {"bent waves": make_waves, "bent crowd": make_crowd}


def draw_arms(
    rng: np.random.Generator, x: np.ndarray, e: np.ndarray, mu0: np.ndarray, effect: np.ndarray
) -> Arms:
    """Treatment by `e`, outcomes with noise of deviation 1."""
    d = (rng.random(len(e)) < e).astype(np.int64)
    return Arms(x, d, mu0 + d * effect + rng.normal(size=len(e)), mu0, mu0 + effect, e)


def estimate_all(world: Arms) -> dict[str, tuple[float, float]]:
    """Error and standard error of each estimator."""
    frame = pl.DataFrame({f"x{i}": column for i, column in enumerate(world.x.T)})
    controls = build_controls(frame, frame.columns, max_levels=20)
    x, basis, rows = controls.features, controls.matrix, world.rows
    splits = split_nuisances(
        x, basis, world.y, world.d, cluster=rows, folds=5, repeats=1, seed=0
    )  # fmt: skip
    e = splits[0].propensity
    fits = {
        "irm": estimate_irm(x, basis, world.y, world.d, cluster=rows, splits=splits),
        "balance": estimate_balance(world.y, world.d, cluster=rows, splits=splits),
        "ipw": estimate_ipw(e, world.y, world.d, cluster=rows, basis=basis, features=x),
        "ipw plain": estimate_ipw(e, world.y, world.d, cluster=rows),
        "oracle": estimate_irm(x, basis, world.y, world.d, cluster=rows, splits=[world.nuisances()]),
    }  # fmt: skip
    truth = world.truth("ate")
    return {name: (fit.estimate - truth, fit.std_error) for name, fit in fits.items()}


def main() -> None:
    """Print one line for each setting and estimator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="small,large,bent")
    parser.add_argument("--worlds", type=int, default=3)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    worlds = {
        setting.name: partial(make_world, setting) for setting in SETTINGS
    } | BENT  # fmt: skip
    for world, make in worlds.items():
        if world.split()[0] not in options.sizes.split(","):
            continue
        found = [estimate_all(make(seed)) for seed in range(options.worlds)]
        for name in found[0]:
            errors, claimed = np.array([one[name] for one in found]).T
            held = float((np.abs(errors) <= Z * claimed).mean())
            print(f"{world:24} {name:10} error {np.abs(errors).mean():.3f}, covers {held:.2f}, "
                  f"standard error {claimed.mean():.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
