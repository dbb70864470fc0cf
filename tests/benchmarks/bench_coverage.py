"""Coverage of the effects room's 95% intervals over many worlds, and false finds where there is none.

Run `python -m tests.benchmarks.bench_coverage [--worlds 200]`; 200 worlds take some minutes on one
core. Families of estimands:

    users     attribute contrasts of the small world of tests/effects, at three concentrations of
              its users (the heaviest user of the last writes about a quarter of all reviews)
    auto      the same with the ridge penalty chosen from the Gram matrices
    sample    the product's sample world through panel, basis, moments and effects, attribute states
              given
    sample auto  the same moments with the penalty chosen
    segments  effects in each of 4 segments of items or of users, and how often the test of
              heterogeneity errs at 5% where all segments share one effect
    null      the small world without any effect: the share of worlds with a find at q < 0.05, and
              with a find that the verdict calls credible

With `--estimators irm,balance,ipw,forest` it looks at these instead, in worlds of two arms of
`--rows` rows (tests/effects/arms.py): four outcome surfaces in turn, effects that vary with what
decides the treatment, 5 columns. Each interval for the effect on all (ate) and on the treated (att)
should hold that of the population, `naive` is Welch's; some 5 to 10 seconds of one core a world.

The bar is 93-97% for every family, and 5% at most of false finds; over 200 worlds a true 95% has a
standard error of 1.5 points for one estimand, less for a family.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from tasks.effects.basis import fit_basis
from tasks.effects.controls.columns import build_controls
from tasks.effects.estimate import CONTRASTS, Row, Window, contrast_weights, estimate_effects
from tasks.effects.learned.balance import estimate_balance
from tasks.effects.learned.forest import estimate_forest
from tasks.effects.learned.ipw import estimate_ipw
from tasks.effects.learned.irm import estimate_irm, split_nuisances
from tasks.effects.learned.nuisance import Nuisances
from tasks.effects.moments import INTERCEPT, Moments, panel_moments
from tasks.effects.panel import build_panel, panel_spec, treatment_names
from tasks.effects.plr import estimate_plr
from tasks.effects.table.flexible import count_repeats
from tasks.ingest.sample import ATTRIBUTE_NAMES, WorldSpec, simulate
from tests.effects.arms import SURFACES, Arms, make_arms
from tests.effects.test_segments import estimate as estimate_segmented
from tests.effects.test_segments import make_rows, split
from tests.effects.worlds import TRUTH, make_world

START = date(2024, 3, 1)
SLOPE = 0.5
Z = 1.96
HISTORY_DAYS = 365


Outcome = tuple[str, bool]
"""A family, and whether the interval held the truth (or, of finds, whether there was one)."""


def judge_rows(family: str, rows: Sequence[Row], truth: dict[str, float]) -> Iterator[Outcome]:
    """Whether each row's interval, and the naive one beside it, holds the truth."""
    for row in rows:
        if row["estimate"] is None:
            yield f"{family}: no result", True
            continue
        value = truth[f"{row['attribute']}/{row['contrast']}"]
        yield f"{family}: {row['contrast']}", row["ci_low"] <= value <= row["ci_high"]
        naive = row["naive_ci_low"] <= value <= row["naive_ci_high"]
        yield f"{family}: naive {row['contrast']}", naive


def judge_auto(
    family: str, moments: Moments, attributes: Sequence[str], truth: dict[str, float]
) -> Iterator[Outcome]:
    """The same contrasts with a chosen penalty."""
    treatments = treatment_names(attributes)
    skip = {INTERCEPT, "rating", *treatments}
    controls = [name for name in moments.columns if name not in skip]
    fit = estimate_plr(
        moments, treatments=treatments, outcome="rating", controls=controls, penalty="auto"
    )
    for attribute in attributes:
        for contrast in CONTRASTS:
            interval = fit.interval(fit.weights(contrast_weights(attribute, contrast)))
            value = truth[f"{attribute}/{contrast}"]
            yield f"{family}: {contrast}", interval.ci_low <= value <= interval.ci_high


def judge_users(seed: int, concentration: float) -> Iterator[Outcome]:
    """The small world."""
    world = make_world(np.random.default_rng(seed), rows=4000, concentration=concentration)
    moments = world.moments()
    window = Window("users", "all", START, START)
    truth = name_truth({k: {"positive": p, "negative": n} for k, (p, n) in TRUTH.items()})
    rows = estimate_effects(moments, window=window, attributes=list(TRUTH))
    yield from judge_rows(f"users {concentration:.1f}", rows, truth)
    yield from judge_auto(f"auto {concentration:.1f}", moments, list(TRUTH), truth)


def judge_null(seed: int, concentration: float) -> Iterator[Outcome]:
    """The small world without any effect: finds are false."""
    world = make_world(np.random.default_rng(seed), rows=4000, concentration=concentration)
    effects = np.array([value for pair in TRUTH.values() for value in pair])
    moments = replace(world, y=world.y - world.d @ effects).moments()
    window = Window("null", "all", START, START)
    rows = estimate_effects(moments, window=window, attributes=list(TRUTH))
    tested = [row for row in rows if row["p_value"] is not None]
    found = [row for row in tested if row["q_value"] < 0.05]
    excluded = [row for row in tested if row["ci_low"] > 0 or row["ci_high"] < 0]
    family = f"null {concentration:.1f}: worlds with a"
    yield f"{family} find at q < 0.05", bool(found)
    yield f"{family} credible find", any(row["verdict"] == "credible" for row in excluded)
    naive = [row["naive_ci_low"] > 0 or row["naive_ci_high"] < 0 for row in tested]
    yield f"{family} naive find", any(naive)


def judge_segments(seed: int, by: str, concentration: float) -> Iterator[Outcome]:
    """Four segments that share one effect."""
    rows = make_rows(seed, [0.5] * 4, by=by, concentration=concentration)
    found = estimate_segmented(split(rows, 4)).compare({"d": 1.0})
    family = f"segments of {by}s {concentration:.1f}"
    for effect in found.effects:
        if effect.interval is None:
            yield f"{family}: no result", True
            continue
        yield f"{family}: effect", effect.interval.ci_low <= 0.5 <= effect.interval.ci_high
    if found.heterogeneity is None:
        yield f"{family}: no test", True
        return
    yield f"{family}: told apart at 5%", found.heterogeneity.p_value < 0.05


def judge_sample(seed: int, n_days: int) -> Iterator[Outcome]:
    """One sample world, with the penalty given and chosen."""
    moments, truth = reduce_sample(seed, n_days)
    window = Window("sample", "all", START, START + timedelta(days=n_days - 1))
    rows = estimate_effects(moments, window=window, attributes=ATTRIBUTE_NAMES)
    yield from judge_rows("sample", rows, truth)
    yield from judge_auto("sample auto", moments, ATTRIBUTE_NAMES, truth)


def reduce_sample(seed: int, n_days: int) -> tuple[Moments, dict[str, float]]:
    """Moments of one sample world, and its truth."""
    world = simulate(WorldSpec(seed=seed, n_days=n_days), is_written=False)
    reviews = world.reviews.with_row_index("at").with_columns(
        event_date=pl.lit(START) + pl.duration(days="day"),
        review_id=pl.format("r{}", pl.col("at").cast(pl.String).str.zfill(7)),
        is_verified=pl.lit(True),
    )
    states = reviews.select("review_id", *ATTRIBUTE_NAMES).unpivot(
        index="review_id", variable_name="attribute", value_name="polarity"
    )
    users = world.users.select(
        "user_id", features=pl.struct("segment", "strictness").struct.json_encode()
    )
    panel = build_panel(
        reviews, reviews, world.items, users,
        states.with_columns(is_mentioned=pl.col("polarity") != 0),
        attribute_names=ATTRIBUTE_NAMES, history_days=HISTORY_DAYS,
    )  # fmt: skip
    basis = fit_basis(panel, panel_spec(panel))
    moments = panel_moments(
        panel, basis, treatments=treatment_names(ATTRIBUTE_NAMES), outcome="rating", n_buckets=40
    )
    return moments, name_truth(world.truth.effects)


def name_truth(effects: dict[str, dict[str, float]]) -> dict[str, float]:
    """Truth by "attribute/contrast"."""
    return {
        f"{attribute}/{contrast}": sum(
            weight * sides[treatment.rpartition("__")[2]]
            for treatment, weight in contrast_weights(attribute, contrast).items()
        )
        for attribute, sides in effects.items()
        for contrast in ("positive", "negative", "negative_to_positive")
    }


def judge_world(seed: int) -> Iterator[Outcome]:
    """Every family in one world each."""
    for concentration in (0.0, 0.8, 1.3):
        yield from judge_users(seed, concentration)
    for concentration in (0.0, 0.8):
        yield from judge_null(10_000 + seed, concentration)
    for by in ("item", "user"):
        for concentration in (0.0, 0.8):
            yield from judge_segments(seed, by, concentration)
    yield from judge_sample(1000 + seed, 10)


def draw_arms(seed: int, rows: int) -> Arms:
    """A world of two arms; the outcome surface is the next in turn."""
    surface = list(SURFACES)[seed % len(SURFACES)]
    return make_arms(np.random.default_rng([7, seed]), rows=rows, surface=surface, slope=SLOPE)


def learn_arms(world: Arms) -> list[Nuisances]:
    """Predictions as a table of this size gets them, deals included; each column is a control."""
    frame = pl.DataFrame({f"x{i}": column for i, column in enumerate(world.x.T)})
    controls = build_controls(frame, frame.columns, max_levels=20)
    return split_nuisances(
        controls.features, controls.matrix, world.y, world.d, cluster=world.rows, folds=5,
        repeats=count_repeats(len(world.y)), seed=0,
    )  # fmt: skip


def population_effect(estimand: str) -> float:
    """Effect in the population of `draw_arms`: 1 on all, 1 + slope E[x0 | treated] on the treated."""
    x = np.linspace(-8, 8, 20_001)
    density, e = np.exp(-(x**2) / 2), 1 / (1 + np.exp(-x))
    treated = density * e
    return 1.0 + (SLOPE * float(x @ treated / treated.sum()) if estimand == "att" else 0.0)


def judge_arms(
    world: Arms, splits: list[Nuisances], estimators: Sequence[str]
) -> Iterator[tuple[str, float, float]]:
    """Family, error and standard error of each estimator."""
    shared = {"cluster": world.rows}
    basis = (world.x - world.x.mean(axis=0)) / world.x.std(axis=0)
    fits = {
        "irm": lambda e: estimate_irm(
            world.x, world.x, world.y, world.d, splits=splits, estimand=e, **shared
        ),
        "balance": lambda e: estimate_balance(
            world.y, world.d, splits=splits, estimand=e, **shared
        ),
        "ipw": lambda e: estimate_ipw(
            splits[0].propensity, world.y, world.d, basis=basis, features=world.x, estimand=e,
            **shared,
        ),
        "forest": lambda e: estimate_forest(
            world.x, world.y, world.d, splits[0], estimand=e, **shared
        ),
    }  # fmt: skip
    arms = [world.y[world.d == arm] for arm in (0, 1)]
    naive = arms[1].mean() - arms[0].mean()
    welch = float(np.sqrt(sum(arm.var(ddof=1) / len(arm) for arm in arms)))
    for estimand in ("ate", "att"):
        truth = population_effect(estimand)
        yield f"naive {estimand}", naive - truth, welch
        for name in estimators:
            fit = fits[name](estimand)
            yield f"{name} {estimand}", fit.estimate - truth, fit.std_error


def cover_arms(worlds: int, rows: int, estimators: Sequence[str]) -> None:
    """Print coverage, bias and the ratio of mean standard error to true deviation."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for seed in range(worlds):
        world = draw_arms(seed, rows)
        for family, error, std_error in judge_arms(world, learn_arms(world), estimators):
            found[family].append((error, std_error))
    for family, pairs in sorted(found.items()):
        print(describe_coverage(family, np.array(pairs)))


def describe_coverage(family: str, pairs: np.ndarray) -> str:
    """One line on errors and standard errors (k, 2) of k worlds."""
    errors, claimed = pairs.T
    share = float((np.abs(errors) <= Z * claimed).mean())
    noise = float(np.sqrt(share * (1 - share) / len(errors)))
    return (
        f"{family:14} {share:6.3f} +- {noise:.3f} of {len(errors)}; bias {errors.mean():+.3f}, "
        f"deviation {errors.std():.3f}, mean standard error {claimed.mean():.3f}"
    )


def main() -> None:
    """Print the share of each family's outcomes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--estimators")
    parser.add_argument("--rows", type=int, default=500)
    options = parser.parse_args()
    start = time.perf_counter()
    if options.estimators:
        cover_arms(options.worlds, options.rows, options.estimators.split(","))
    else:
        cover_families(options.worlds)
    print(f"{options.worlds} worlds in {time.perf_counter() - start:.0f} s")


def cover_families(worlds: int) -> None:
    """Print how often each family's intervals hold the truth."""
    hits: dict[str, list[bool]] = defaultdict(list)
    for seed in range(worlds):
        for family, is_hit in judge_world(seed):
            hits[family].append(is_hit)
    for family, outcomes in sorted(hits.items()):
        print(f"{family:48} {np.mean(outcomes):6.3f} of {len(outcomes)}")


if __name__ == "__main__":
    main()
