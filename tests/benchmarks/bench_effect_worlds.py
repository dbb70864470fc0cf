"""Errors and coverage of average effects in made worlds: what estimators are chosen on.

Run `python -m tests.benchmarks.bench_effect_worlds [--sizes small,large] [--worlds 3]`; a small world
takes some 6 seconds of one core, a large one 30. For each setting of
`tests.benchmarks.effect_worlds` it prints the mean absolute error for the effect on the rows at
hand, the share of 95% intervals that hold it and the mean standard error; "oracle" is the inverse
propensity estimate of somebody who knows both surfaces and the propensity.
"""

import argparse
import warnings

import numpy as np
import polars as pl

from tasks.effects.balance import estimate_balance
from tasks.effects.columns import build_controls
from tasks.effects.ipw import estimate_ipw
from tasks.effects.irm import estimate_irm, split_nuisances
from tests.benchmarks.effect_worlds import SETTINGS, make_world
from tests.effects.arms import Arms

Z = 1.96


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
        "ipw": estimate_ipw(e, world.y, world.d, cluster=rows, basis=basis),
        "ipw plain": estimate_ipw(e, world.y, world.d, cluster=rows),
        "oracle": estimate_irm(x, basis, world.y, world.d, cluster=rows, splits=[world.nuisances()]),
    }  # fmt: skip
    truth = world.truth("ate")
    return {name: (fit.estimate - truth, fit.std_error) for name, fit in fits.items()}


def main() -> None:
    """Print one line for each setting and estimator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="small,large")
    parser.add_argument("--worlds", type=int, default=3)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    for setting in SETTINGS:
        if setting.size not in options.sizes.split(","):
            continue
        found = [estimate_all(make_world(setting, seed)) for seed in range(options.worlds)]
        for name in found[0]:
            errors, claimed = np.array([one[name] for one in found]).T
            held = float((np.abs(errors) <= Z * claimed).mean())
            print(f"{setting.name:24} {name:10} error {np.abs(errors).mean():.3f}, covers {held:.2f}, "
                  f"standard error {claimed.mean():.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
