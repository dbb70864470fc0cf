"""Moments against DoubleML: equality on the same folds, and what a night's refresh costs.

Run `python -m tests.benchmarks.bench_moments [--rows 20000] [--days 30] [--peer-days 5] ...`. By
default a day has 20,000 rows, 64 controls and 20 treatments, and the window 30 days. Measured, best
of `--repeats`:

    refresh   moments of one new day, write them, read and sum the window's, all effects
    history   the same with 365 days stored instead of 30
    floor     one BLAS Z'Z of the new day, plus reading the window's stored files
    refit     DoubleML's PLR over `--peer-days` days, all treatments, the same folds and ridge

The refit of the whole window is given by proportion to its rows (least squares is linear in them);
`--peer-days 30` measures it instead, with some 6 GB of memory and much patience. On a busy machine set
OPENBLAS_NUM_THREADS=1 for both sides: threads that wait for a core spin on small products.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.effects.moments import INTERCEPT, Moments, compute_moments, sum_moments
from tasks.effects.plr import Fit, estimate_plr

BUCKETS, FOLDS, PENALTY = 40, 5, 1.0
USERS = 50_000


class Shape:
    """Names of the columns."""

    def __init__(self, controls: int, treatments: int) -> None:
        self.controls = tuple(f"x{i}" for i in range(controls))
        self.treatments = tuple(f"d{i}" for i in range(treatments))
        self.columns = (INTERCEPT, *self.controls, *self.treatments, "y")


def make_day(rng: np.random.Generator, rows: int, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Z of one day and the buckets of its users."""
    x = rng.normal(size=(rows, len(shape.controls)))
    lean = rng.normal(size=(len(shape.treatments),))
    d = (x[:, :1] * lean + rng.normal(size=(rows, len(shape.treatments))) > 1).astype(float)
    y = x @ np.full(x.shape[1], 0.1) + d @ np.linspace(-1, 1, d.shape[1]) + rng.normal(size=rows)
    bucket = rng.integers(0, USERS, rows) % BUCKETS
    return np.column_stack([np.ones(rows), x, d, y]), bucket


def estimate(moments: Moments, shape: Shape, **options: str) -> Fit:
    """All effects of a window."""
    return estimate_plr(
        moments, treatments=shape.treatments, outcome="y", controls=shape.controls, folds=FOLDS,
        penalty=PENALTY, **options,
    )  # fmt: skip


def best_of(repeats: int, work: Callable[[], object]) -> float:
    """Shortest seconds of `repeats` runs."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def fit_doubleml(design: np.ndarray, bucket: np.ndarray, shape: Shape) -> tuple[object, float]:
    """DoubleML's PLR on the folds bucket mod K, clustered by bucket; the model and its seconds."""
    from doubleml import DoubleMLData, DoubleMLPLR
    from sklearn.linear_model import Ridge

    frame = pd.DataFrame(design[:, 1:], columns=list(shape.columns[1:])).assign(bucket=bucket)
    data = DoubleMLData(
        frame, "y", list(shape.treatments), list(shape.controls), cluster_cols="bucket"
    )
    model = DoubleMLPLR(data, Ridge(alpha=PENALTY), Ridge(alpha=PENALTY), n_folds=FOLDS)
    fold, groups = bucket % FOLDS, np.arange(BUCKETS)
    rows = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    split = [([groups[groups % FOLDS != k]], [groups[groups % FOLDS == k]]) for k in range(FOLDS)]
    model.set_sample_splitting([rows], [split])
    start = time.perf_counter()
    model.fit()
    return model, time.perf_counter() - start


def compare(rng: np.random.Generator, options: argparse.Namespace, shape: Shape) -> float:
    """Print equality and the ratio of a cold computation; return DoubleML's seconds per row."""
    rows = options.rows * options.peer_days
    design, bucket = make_day(rng, rows, shape)
    start = time.perf_counter()
    moments = compute_moments(design, bucket, columns=shape.columns, n_buckets=BUCKETS)
    ours = estimate(moments, shape, mode="separate", variance="cr0")
    cold = time.perf_counter() - start
    model, seconds = fit_doubleml(design, bucket, shape)
    apart = np.abs(ours.theta - model.coef).max()
    errors = np.abs(ours.std_error / model.se - 1).max()
    print(f"rows {rows:,}, controls {len(shape.controls)}, treatments {len(shape.treatments)}")
    print(f"largest difference: effects {apart:.1e} (absolute), errors {errors:.1e} (relative)")
    print(f"cold: ours {cold:.3f} s, DoubleML {seconds:.2f} s, ratio {seconds / cold:.0f}")
    return seconds / rows


def measure_refresh(
    rng: np.random.Generator, options: argparse.Namespace, shape: Shape, folder: Path
) -> tuple[float, float, float]:
    """Seconds of a refresh, of one with 365 stored days, and of the floor."""
    design, bucket = make_day(rng, options.rows, shape)

    def write(day: int, moments: Moments) -> None:
        (folder / f"{day:04d}.moments").write_bytes(moments.to_bytes())

    def moments_of_day() -> Moments:
        return compute_moments(design, bucket, columns=shape.columns, n_buckets=BUCKETS)

    def refresh() -> None:
        write(9999, moments_of_day())
        files = sorted(folder.iterdir())[-options.days :]
        estimate(sum_moments(Moments.from_bytes(path.read_bytes()) for path in files), shape)

    def floor() -> None:
        design.T @ design
        for path in sorted(folder.iterdir())[-options.days :]:
            np.frombuffer(path.read_bytes(), dtype=np.uint8)

    for day in range(options.days - 1):
        write(day, moments_of_day())
    short = best_of(options.repeats, refresh)
    lowest = best_of(options.repeats, floor)
    for day in range(options.days - 1, 365):
        write(day, moments_of_day())
    return short, best_of(options.repeats, refresh), lowest


def main() -> None:
    """Print what the docstring lists."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rows", 20_000), ("days", 30), ("peer-days", 5), ("controls", 64),
                          ("treatments", 20), ("repeats", 5)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    shape, rng = Shape(options.controls, options.treatments), np.random.default_rng(1)
    per_row = compare(rng, options, shape)
    with tempfile.TemporaryDirectory() as folder:
        refresh, history, floor = measure_refresh(rng, options, shape, Path(folder))
    refit = per_row * options.rows * options.days
    how = "measured" if options.peer_days == options.days else "in proportion to rows"
    print(f"window of {options.days} days of {options.rows:,} rows")
    print(f"refresh {1e3 * refresh:.1f} ms, floor {1e3 * floor:.1f} ms: {refresh / floor:.2f}x")
    print(f"with 365 days stored {1e3 * history:.1f} ms: {history / refresh:.2f}x")
    print(f"DoubleML refit {refit:.1f} s ({how}): refresh is {refit / refresh:.0f}x faster")


if __name__ == "__main__":
    main()
