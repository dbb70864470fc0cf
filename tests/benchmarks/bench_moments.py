"""Moments against DoubleML, EconML and duckreg: equality on the same folds, and a refresh's cost.

Run `python -m tests.benchmarks.bench_moments [--rows 20000] [--days 30] [--peer-days 5] ...`. By
default a day has 20,000 rows, 64 controls and 20 treatments, and the window 30 days. Measured, best
of `--repeats`, taken in turns:

    refresh   moments of one new day, write them, read and sum the window's, all effects
    floor     one BLAS Z'Z of the new day, plus reading the window's stored files
    history   the refresh with 365 days stored instead of 30
    batch     moments of 200 rows that arrive during a day, added to the window's sum, all effects
    memory    peak resident memory of a process that refreshes, with 30 and with 365 days stored, and
              of one whose window is all 365

and, on `--peer-days` days, all treatments:

    DoubleML  PLR on the same folds and ridge, one treatment at a time (our separate mode)
    EconML    LinearDML on the same folds and ridge, all treatments jointly (our joint mode)
    duckreg   DuckDML, which knows only discrete controls, to see what it makes of continuous ones;
              and DuckRegression's compressed least squares, which is neither cross-fitted nor
              penalised, but is what it has for continuous controls

A refit of the whole window is given by proportion to its rows (least squares is linear in them);
`--peer-days 30` measures it instead, with some 6 GB of memory and much patience. Refresh, floor and
batch use one thread of BLAS, as nights do; the peers as many as they like.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

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


def race(repeats: int, *works: Callable[[], object]) -> list[float]:
    """Shortest seconds of each of `works` over `repeats` rounds, taken in turns."""
    best = [float("inf")] * len(works)
    for _ in range(repeats):
        for at, work in enumerate(works):
            start = time.perf_counter()
            work()
            best[at] = min(best[at], time.perf_counter() - start)
    return best


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


def fit_econml(design: np.ndarray, bucket: np.ndarray, shape: Shape) -> tuple[np.ndarray, float]:
    """EconML's LinearDML on the folds bucket mod K; the effects and its seconds."""
    from econml.dml import LinearDML
    from sklearn.linear_model import Ridge

    fold, p = bucket % FOLDS, len(shape.controls)
    rows = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    model = LinearDML(model_y=Ridge(alpha=PENALTY), model_t=Ridge(alpha=PENALTY), cv=rows)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(design[:, -1], design[:, 1 + p : -1], X=None, W=design[:, 1 : 1 + p])
    return np.ravel(model.intercept_), time.perf_counter() - start


def fit_duckreg(design: np.ndarray, shape: Shape, *, dml_rows: int = 2000) -> tuple[float, int]:
    """duckreg: seconds of least squares on all columns, and how many effects DuckDML finds."""
    import duckdb
    from duckreg import DuckDML, DuckRegression

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows.duckdb"
        frame = pd.DataFrame(design[:, 1:], columns=list(shape.columns[1:]))
        with duckdb.connect(path) as connection:
            connection.register("frame", frame)
            connection.execute("create table long as select * from frame")
            connection.execute(f"create table short as select * from frame limit {dml_rows}")
        common = {"db_name": path, "seed": 1, "n_bootstraps": 0}
        formula = f"y ~ {' + '.join((*shape.treatments, *shape.controls))}"
        squares = DuckRegression(table_name="long", formula=formula, cluster_col="", **common)
        start = time.perf_counter()
        squares.fit()
        seconds = time.perf_counter() - start
        dml = DuckDML(
            table_name="short", outcome_var="y", treatment_var=list(shape.treatments),
            discrete_covars=list(shape.controls), **common,
        )  # fmt: skip
        dml.fit()
    return seconds, int(np.isfinite(np.ravel(dml.point_estimate)).sum())


def compare(
    rng: np.random.Generator, options: argparse.Namespace, shape: Shape
) -> dict[str, float]:
    """Print equality and the ratio of a cold computation; return the peers' seconds per row."""
    rows = options.rows * options.peer_days
    design, bucket = make_day(rng, rows, shape)
    start = time.perf_counter()
    moments = compute_moments(design, bucket, columns=shape.columns, n_buckets=BUCKETS)
    ours = estimate(moments, shape, mode="separate", variance="cr0")
    cold = time.perf_counter() - start
    print(f"rows {rows:,}, controls {len(shape.controls)}, treatments {len(shape.treatments)}")
    duckreg, found = fit_duckreg(design, shape)
    econml_theta, econml = fit_econml(design, bucket, shape)
    apart = np.abs(estimate(moments, shape).theta / econml_theta - 1).max()
    print(f"EconML LinearDML: effects differ by {apart:.1e} (relative)")
    model, doubleml = fit_doubleml(design, bucket, shape)
    apart = np.abs(ours.theta / model.coef - 1).max()
    errors = np.abs(ours.std_error / model.se - 1).max()
    print(f"DoubleML PLR: effects differ by {apart:.1e}, errors by {errors:.1e} (relative)")
    print(
        f"duckreg DuckDML: {found} of {len(shape.treatments)} effects found: it groups rows by equal "
        "controls, and continuous ones make every row a group of its own"
    )
    print(f"cold, all treatments one by one: ours {cold:.3f} s, DoubleML {doubleml:.2f} s")
    return {
        "DoubleML PLR": doubleml / rows,
        "EconML LinearDML": econml / rows,
        "duckreg least squares (no cross-fitting)": duckreg / rows,
    }


def list_days(folder: Path, days: int) -> list[str]:
    """Files of the last stored days."""
    return [f"{folder}/{name}" for name in sorted(path.name for path in folder.iterdir())[-days:]]


def read_window(folder: Path, days: int) -> Moments:
    """The sum of the last stored days, one file in memory at a time."""
    files = list_days(folder, days)
    return sum_moments(Moments.from_bytes(Path(file).read_bytes()) for file in files)


def measure_refresh(
    rng: np.random.Generator, options: argparse.Namespace, shape: Shape, root: Path
) -> float:
    """Print what a refresh costs with 30 and with 365 days stored; its seconds."""
    design, bucket = make_day(rng, options.rows, shape)

    def moments_of(rows: int) -> Moments:
        return compute_moments(
            design[:rows], bucket[:rows], columns=shape.columns, n_buckets=BUCKETS
        )

    def store(name: str, days: int) -> Path:
        folder = root / name
        folder.mkdir()
        blob = moments_of(options.rows).to_bytes()
        for day in range(days):
            (folder / f"{day:04d}.moments").write_bytes(blob)
        return folder

    def refresh(folder: Path) -> None:
        newest = list_days(folder, 1)[0]
        Path(newest).write_bytes(moments_of(options.rows).to_bytes())
        estimate(read_window(folder, options.days), shape)

    def floor() -> None:
        design.T @ design
        for file in list_days(short, options.days):
            np.frombuffer(Path(file).read_bytes(), dtype=np.uint8)

    def batch() -> None:
        estimate(sum_moments([stored, moments_of(200)]), shape)

    short, long = store("short", options.days), store("long", 365)
    os.sync()
    stored = read_window(short, options.days)
    with threadpool_limits(1, user_api="blas"):
        fresh, history, lowest, micro = race(
            options.repeats, lambda: refresh(short), lambda: refresh(long), floor, batch
        )
    peaks = [
        measure_peak(folder, options, days)
        for folder, days in ((short, options.days), (long, options.days), (long, 365))
    ]
    print(f"window of {options.days} days of {options.rows:,} rows")
    print(f"refresh {1e3 * fresh:.1f} ms, floor {1e3 * lowest:.1f} ms: {fresh / lowest:.2f}x")
    print(f"with 365 days stored {1e3 * history:.1f} ms: {history / fresh:.2f}x")
    print(f"200 rows added to the stored sum, all effects: {1e3 * micro:.1f} ms")
    print(
        f"peak memory {peaks[0]:.0f} MB with {options.days} days stored, {peaks[1]:.0f} MB with "
        f"365, {peaks[2]:.0f} MB with a window of 365"
    )
    return fresh


def measure_peak(folder: Path, options: argparse.Namespace, days: int) -> float:
    """Peak resident megabytes of a fresh process that refreshes a window of `days`."""
    given = (folder, days, options.rows, options.controls, options.treatments)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(refresh_once, *given).result()


def refresh_once(folder: Path, days: int, rows: int, controls: int, treatments: int) -> float:
    """Refresh once, with a day made here; peak resident megabytes of this process.

    Linux only; getrusage would begin at what the parent process held.
    """
    shape = Shape(controls, treatments)
    design, bucket = make_day(np.random.default_rng(2), rows, shape)
    moments = compute_moments(design, bucket, columns=shape.columns, n_buckets=BUCKETS)
    Path(list_days(folder, 1)[0]).write_bytes(moments.to_bytes())
    estimate(read_window(folder, days), shape)
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Print what the docstring lists."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rows", 20_000), ("days", 30), ("peer-days", 5), ("controls", 64),
                          ("treatments", 20), ("repeats", 20)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    shape, rng = Shape(options.controls, options.treatments), np.random.default_rng(1)
    per_row = compare(rng, options, shape)
    with tempfile.TemporaryDirectory() as folder:
        refresh = measure_refresh(rng, options, shape, Path(folder))
    how = "measured" if options.peer_days == options.days else "in proportion to rows"
    for name, seconds in per_row.items():
        refit = seconds * options.rows * options.days
        print(f"{name}: refit {refit:.1f} s ({how}), the refresh is {refit / refresh:.0f}x faster")


if __name__ == "__main__":
    main()
