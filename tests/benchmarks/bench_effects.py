"""Second opinions on a two-valued treatment where the truth is known, DoubleML's own beside them.

Run `python -m tests.benchmarks.bench_effects --data DIR [--only ihdp,acic,lalonde,ihdp-anew,acic-anew]
[--draws 1,2,3-9] [--averages]`. DIR holds `ihdp/`, `acic2016/` and `lalonde/`. The published draws
are few: `ihdp-anew` and `acic-anew` draw new outcomes for the same rows, as many as `--draws` names.
For each draw it prints

    truth    mean of mu1 - mu0 over its rows (for LaLonde, the experimental difference)
    naive    difference in means
    irm, balance, ipw, forest   estimate [95% interval], and whether the interval holds the truth
    surfaces  the difference in means of what the true outcome surfaces leave of the outcome: the error
              of somebody who knows them, which only noise can make better (ihdp and acic)
    weighted  the same, with the noise weighted by our propensities: what irm would be off with perfect
              outcome models
    peer     DoubleML's IRM with default HistGradientBoosting learners, 5 folds, in the same run
    pehe     root mean squared error of rows' effects, beside those of one effect for all and none

and for each family the mean absolute errors. The intervals are for the effect in the population a
row was drawn from; the truth is that of the rows at hand, so they should hold it rather too often.
Seconds are processor time of this process. With `--averages` forest, peer and pehe are left out.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.effects.controls.columns import build_controls
from tasks.effects.learned.balance import estimate_balance
from tasks.effects.learned.cate import estimate_cate
from tasks.effects.learned.forest import estimate_forest
from tasks.effects.learned.ipw import estimate_ipw
from tasks.effects.learned.irm import CLIP, estimate_irm, split_nuisances
from tasks.effects.read import read_table
from tasks.effects.table.flexible import FOLDS, count_repeats

Z = 1.96
LALONDE_TRUTH = 1794.34
LALONDE_CONTROLS = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]


@dataclass(frozen=True, eq=False)
class Draw:
    """One table: controls, treatment (n,), outcome (n,), and rows' true effects where known."""

    name: str
    controls: pl.DataFrame
    d: np.ndarray
    y: np.ndarray
    effect: np.ndarray | None
    surfaces: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def truth(self) -> float:
        return LALONDE_TRUTH if self.effect is None else float(self.effect.mean())


def read_ihdp(data: Path, wanted: set[int]) -> Iterator[Draw]:
    for i in sorted(wanted & set(range(1, 11))):
        table = np.loadtxt(data / f"ihdp/ihdp_npci_{i}.csv", delimiter=",")
        controls = pl.DataFrame({f"x{k}": table[:, 4 + k] for k in range(1, 26)})
        yield Draw(f"ihdp {i}", controls, table[:, 0].astype(int), table[:, 1],
                   table[:, 4] - table[:, 3], (table[:, 3], table[:, 4]))  # fmt: skip


def read_acic(data: Path, wanted: set[int]) -> Iterator[Draw]:
    controls = pl.read_csv(data / "acic2016/x.csv", infer_schema_length=None)
    for i in sorted(wanted & {1, 2, 3}):
        z = pl.read_csv(data / f"acic2016/zymu_{i}.csv", infer_schema_length=None)
        d = z["z"].to_numpy().astype(int)
        y = np.where(d == 1, z["y1"].to_numpy(), z["y0"].to_numpy())
        surfaces = (z["mu0"].to_numpy(), z["mu1"].to_numpy())
        yield Draw(f"acic {i}", controls, d, y, surfaces[1] - surfaces[0], surfaces)


def read_lalonde(data: Path, wanted: set[int]) -> Iterator[Draw]:
    frame = read_table(data / "lalonde/nsw_mixtape.dta")
    yield Draw("lalonde", frame.select(LALONDE_CONTROLS), frame["treat"].to_numpy().astype(int),
               frame["re78"].to_numpy().astype(float), None)  # fmt: skip


def redraw_ihdp(data: Path, wanted: set[int]) -> Iterator[Draw]:
    """The controls and treatment of IHDP under new outcomes: response surface B of Hill (2011).

    mu0 = exp((x + 1/2) b) and mu1 = (x + 1/2) b - w, b drawn for every column from 0, .1, .2, .3, .4
    with chances .6 and four times .1, w so that the treated gain 4 on average, noise of deviation 1.
    The published draws are of this form to the last digit.
    """
    table = np.loadtxt(data / "ihdp/ihdp_npci_1.csv", delimiter=",")
    d, x = table[:, 0].astype(int), table[:, 5:]
    controls = pl.DataFrame({f"x{k}": x[:, k - 1] for k in range(1, 26)})
    for i in sorted(wanted):
        rng = np.random.default_rng([2011, i])
        slopes = rng.choice([0, 0.1, 0.2, 0.3, 0.4], size=25, p=[0.6, 0.1, 0.1, 0.1, 0.1])
        mu0, mu1 = np.exp((x + 0.5) @ slopes), (x + 0.5) @ slopes
        mu1 += 4 - float((mu1 - mu0)[d == 1].mean())
        y = np.where(d == 1, mu1, mu0) + rng.normal(size=len(d))
        yield Draw(f"ihdp anew {i}", controls, d, y, mu1 - mu0, (mu0, mu1))


def redraw_acic(data: Path, wanted: set[int]) -> Iterator[Draw]:
    """The three competition settings under new noise, as large as theirs; treatment stays as it was."""
    settings = list(read_acic(data, {1, 2, 3}))
    for i in sorted(wanted):
        rng = np.random.default_rng([2016, i])
        one = settings[i % len(settings)]
        expected = np.where(one.d == 1, one.surfaces[1], one.surfaces[0])
        y = expected + rng.normal(scale=float((one.y - expected).std()), size=len(expected))
        yield Draw(f"{one.name} anew {i}", one.controls, one.d, y, one.effect, one.surfaces)


FAMILIES = {
    "ihdp": read_ihdp,
    "acic": read_acic,
    "lalonde": read_lalonde,
    "ihdp-anew": redraw_ihdp,
    "acic-anew": redraw_acic,
}


def spread_features(controls: pl.DataFrame) -> np.ndarray:
    """Numbers as they are, one column for every level of the others."""
    text = [name for name, kind in controls.schema.items() if not kind.is_numeric()]
    return controls.to_dummies(text).cast(pl.Float64).to_numpy() if text else (
        controls.cast(pl.Float64).to_numpy()
    )  # fmt: skip


def fit_peer(x: np.ndarray, d: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    from doubleml import DoubleMLData, DoubleMLIRM
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    np.random.seed(0)
    model = DoubleMLIRM(
        DoubleMLData.from_arrays(x, y, d.astype(float)),
        HistGradientBoostingRegressor(random_state=0),
        HistGradientBoostingClassifier(random_state=0),
    )
    model.fit()
    return float(model.coef[0]), float(model.se[0])


def show(name: str, estimate: float, error: float, truth: float) -> str:
    low, high = estimate - Z * error, estimate + Z * error
    held = "covers" if low <= truth <= high else "MISSES"
    return f"{name} {estimate:.3f} [{low:.3f}, {high:.3f}] {held}"


def run(draw: Draw, seed: int, repeats: int | None, *, has_only_averages: bool) -> dict[str, float]:
    x = spread_features(draw.controls)
    basis = build_controls(draw.controls, draw.controls.columns, max_levels=20).matrix
    rows = np.arange(len(draw.y))
    start = time.process_time()
    splits = split_nuisances(
        x, basis, draw.y, draw.d, cluster=rows, folds=FOLDS,
        repeats=repeats or count_repeats(len(rows)), seed=seed,
    )  # fmt: skip
    irm = estimate_irm(x, basis, draw.y, draw.d, cluster=rows, splits=splits)
    seconds = time.process_time() - start
    balance = estimate_balance(draw.y, draw.d, splits=splits, cluster=rows)
    ipw = estimate_ipw(irm.nuisances.propensity, draw.y, draw.d, cluster=rows, basis=basis,
                       features=x)  # fmt: skip
    fits = {"irm": irm, "balance": balance, "ipw": ipw}
    if not has_only_averages:
        forest = estimate_forest(x, draw.y, draw.d, irm.nuisances, cluster=rows, seed=seed)
        fits["forest"] = forest
    found = {name: (fit.estimate, fit.std_error) for name, fit in fits.items()}
    if not has_only_averages:
        found["peer"] = fit_peer(x, draw.d, draw.y)
    naive = float(draw.y[draw.d == 1].mean() - draw.y[draw.d == 0].mean())
    truth = draw.truth
    print(f"{draw.name}: n {len(rows):,}, truth {truth:.3f}, naive {naive:.3f}, "
          f"clipped {irm.clipped}, extrapolation error {irm.extrapolation_error:.3f}, irm {seconds:.0f} s")  # fmt: skip
    print("   ", "; ".join(show(name, *pair, truth) for name, pair in found.items()), flush=True)
    errors = {name: abs(pair[0] - truth) for name, pair in found.items()}
    errors["naive"] = abs(naive - truth)
    if draw.surfaces is not None:
        errors["surfaces"] = measure_noise(draw)
        errors["weighted"] = measure_weighted_noise(draw, irm.nuisances.propensity)
    if draw.effect is not None and not has_only_averages:
        cate = estimate_cate(
            x, basis, draw.y, draw.d, irm.nuisances, cluster=rows, forest_effect=forest.effect,
            seed=seed,
        )  # fmt: skip
        errors |= show_rows(draw, cate, forest.effect)
    return errors


def measure_noise(draw: Draw) -> float:
    """Error of the average effect when both true surfaces are known and only noise is left."""
    left = draw.y - np.where(draw.d == 1, draw.surfaces[1], draw.surfaces[0])
    return abs(float(left[draw.d == 1].mean() - left[draw.d == 0].mean()))


def measure_weighted_noise(draw: Draw, propensity: np.ndarray) -> float:
    """Error of the doubly robust estimate with both true surfaces and these propensities."""
    left = draw.y - np.where(draw.d == 1, draw.surfaces[1], draw.surfaces[0])
    e = np.clip(propensity, CLIP, 1 - CLIP)
    return abs(float(np.mean(left * (draw.d / e - (1 - draw.d) / (1 - e)))))


def show_rows(draw: Draw, cate, forest: np.ndarray) -> dict[str, float]:
    def off(effect: np.ndarray | float) -> float:
        return float(np.sqrt(np.mean((effect - draw.effect) ** 2)))

    pehe = {"pehe": off(cate.effect), "pehe forest": off(forest),
            "pehe constant": off(float(draw.effect.mean())), "pehe zero": off(0.0)}  # fmt: skip
    best = ", ".join(f"{loss.name} {loss.weight:.2f}" for loss in cate.losses if loss.weight > 0.05)
    slope = cate.heterogeneity
    print("    root " + ", ".join(f"{name} {value:.3f}" for name, value in pehe.items())
          + f"; {cate.chosen} ({best}); slope {slope.slope} p {slope.p_value}", flush=True)  # fmt: skip
    return pehe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default="ihdp,acic,lalonde")
    parser.add_argument("--draws", default="1-10")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--averages", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    spans = [span.split("-") for span in options.draws.split(",")]
    wanted = {i for span in spans for i in range(int(span[0]), int(span[-1]) + 1)}
    for family in options.only.split(","):
        results = [run(draw, options.seed, options.repeats, has_only_averages=options.averages)
                   for draw in FAMILIES[family](options.data, wanted)]  # fmt: skip
        means = {name: np.mean([r[name] for r in results]) for name in results[0]}
        print(f"{family}: mean absolute error " + ", ".join(
            f"{name} {value:.3f}" for name, value in means.items()), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
