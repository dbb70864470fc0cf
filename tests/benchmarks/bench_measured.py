"""Coverage of effects corrected for misreading, and what a labelled sample gives on real reviews.

    python -m tests.benchmarks.bench_measured [--worlds 200] [--wrong 0.2] [--labelled 200]
    python -m tests.benchmarks.bench_measured --worlds 0 --nights 60
    WHYREC_REAL_DATA=../shared/data python -m tests.benchmarks.bench_measured --worlds 0 --draws 40

The worlds are those of tests/effects/test_measured.py: 1,200 rows, three attributes, a reader that is
wrong in a fifth of the cells; once at random ("random"), once leaning towards the outcome ("halo").
The bar is coverage of 93-97%; over 200 worlds and three effects its standard error is about one point.
"night" are the worlds of tests/effects/test_gold.py: 3,000 reviews, 40 controls, 40 buckets of users,
three attributes; corrected with the controls' scores, as a night does, and with all controls.
CEBaB: the labels of a random sample correct what the clauses extractor reads; compared are the
effects that all labels give, those of the sample alone, and the corrected ones.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from tasks.effects.drivers import CONFIDENCE, estimate_drivers
from tasks.effects.gold import gather_reading, score_controls
from tasks.effects.impute import Gold, Reading
from tasks.effects.intervals import t_quantile
from tasks.effects.measured import Corrected, Table, correct_effects, table_moments
from tasks.effects.moments import stable_bucket
from tasks.platform.errors import EstimationError
from tasks.text.clauses import ClauseExtractor
from tasks.text.encoder import Encoder
from tasks.text.extract import name_attributes
from tasks.text.store import EmbeddingStore
from tests.effects.test_gold import CONTRAST as TRUE_CONTRAST
from tests.effects.test_gold import NAMES, make_world
from tests.effects.test_measured import CONTRAST, METHOD, make_readings
from tests.text.conftest import find_real_data

ASPECTS = ("food", "service", "ambiance", "noise")


def describe(found: Corrected) -> np.ndarray:
    """Estimates, standard errors and half widths of the 95% intervals, (3, k)."""
    reach = np.array([t_quantile(float(degrees), 0.95) for degrees in found.degrees])
    return np.stack([found.estimate, found.std_error, reach * found.std_error])


def whole(table: Table, polarity: np.ndarray) -> np.ndarray:
    """The same when every row's labels are taken for true."""
    rows = np.arange(len(polarity))
    reading = Reading(polarity, polarity != 0, np.ones(polarity.shape))
    found = correct_effects(
        table, reading, Gold(rows, polarity), method=METHOD, rng=np.random.default_rng(0)
    )
    return describe(found)


def cover(worlds: int, wrong: float, halo: float, labelled: int) -> None:
    """Coverage, mean error and width over worlds."""
    shown: dict[str, list[np.ndarray]] = {"corrected": [], "uncorrected": [], "sample": []}
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        table, reading, labels = make_readings(rng, wrong=wrong, halo=halo)
        rows = np.sort(rng.choice(len(labels), labelled, replace=False))
        found = correct_effects(table, reading, Gold(rows, labels[rows]), method=METHOD, rng=rng)
        shown["corrected"].append(describe(found))
        shown["uncorrected"].append(whole(table, reading.polarity))
        part = Table(
            table.controls[rows], table.outcome[rows], np.arange(labelled), labelled,
            table.attributes,
        )  # fmt: skip
        shown["sample"].append(whole(part, labels[rows]))
    width = np.mean([s[1] for s in shown["sample"]])
    for name, pairs in shown.items():
        values = np.array(pairs)
        error, spread = values[:, 0] - CONTRAST, values[:, 1]
        holds = abs(error) <= values[:, 2]
        print(
            f"{'halo' if halo else 'random'} {name:12s} coverage "
            f"{holds.mean():.3f} {holds.mean(axis=0)}, "
            f"mean error {abs(error).mean():.3f}, bias {error.mean(axis=0).round(3)}, "
            f"width {spread.mean() / width:.2f} of the sample's",
            flush=True,
        )


def cover_nights(worlds: int, wrong: float, halo: float, labelled: int) -> None:
    """Coverage and mean error over worlds with as many controls as a night has."""
    holds: dict[str, list[np.ndarray]] = {"scores": [], "controls": []}
    errors: dict[str, list[np.ndarray]] = {name: [] for name in holds}
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        world = make_world(rng, rows=3000, columns=40, users=800, wrong=wrong, halo=halo)
        rows = np.sort(rng.choice(3000, labelled, replace=False))
        reading = gather_reading(world.panel, world.mentions, NAMES)
        table = Table(
            world.basis.transform(world.panel), world.panel["rating"].to_numpy(),
            stable_bucket(world.panel["user_id"], 40), 40, NAMES,
        )  # fmt: skip
        moments = table_moments(table, np.arange(3000), reading.polarity[None])
        scored = replace(table, controls=score_controls(table, moments, METHOD))
        gold = Gold(rows, world.labels[rows])
        for name, used in (("scores", scored), ("controls", table)):
            found = correct_effects(
                used, reading, gold, method=METHOD, rng=np.random.default_rng(seed)
            )
            estimate, _, reach = describe(found)
            errors[name].append(estimate - TRUE_CONTRAST)
            holds[name].append(abs(errors[name][-1]) <= reach)
    for name, hits in holds.items():
        print(
            f"night {'halo' if halo else 'random'} {name:8s} coverage {np.mean(hits):.3f} "
            f"{np.mean(hits, axis=0).round(2)}, bias {np.mean(errors[name], axis=0).round(3)}",
            flush=True,
        )


def read_reviews(folder: Path) -> pl.DataFrame:
    """CEBaB reviews with a rating and all labels decided: labels, readings and confidences."""
    lines = (folder / "cebab_observational" / "reviews.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    decided = [
        row
        for row in rows
        if row["review_majority"].isdigit()
        and all(row[f"{aspect}_aspect_majority"] != "no majority" for aspect in ASPECTS)
    ]
    frame = pl.DataFrame({
        "stars": [float(row["review_majority"]) for row in decided],
        **{f"gold_{a}": [row[f"{a}_aspect_majority"] for row in decided] for a in ASPECTS},
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        store = EmbeddingStore(Path(scratch), Encoder())
        found = ClauseExtractor().extract(
            [(str(n), row["description"]) for n, row in enumerate(decided)],
            attributes=name_attributes(ASPECTS),
            embed=lambda texts: store.embed(texts).vectors,
        )
    for aspect in ASPECTS:
        part = found.frame.filter(pl.col("attribute") == aspect)
        said = pl.when(pl.col("is_mentioned"))
        frame = frame.with_columns(
            part.select(said.then("polarity").alias(aspect)).to_series(),
            part.select(said.then("confidence").alias(aspect + CONFIDENCE)).to_series(),
        )
    return frame


def compare(folder: Path, draws: int, labelled: int) -> None:
    """Distance to the effects of all labels, on average over random samples of labels."""
    frame = read_reviews(folder)
    gold = frame.select(**{a: pl.col(f"gold_{a}") for a in ASPECTS}, stars="stars")
    target = effects(gold)
    uncorrected = effects(frame)
    print(
        f"CEBaB, {frame.height} reviews: all labels {target.round(2)}, read {uncorrected.round(2)}"
    )
    print(f"  read: mean distance {abs(uncorrected - target).mean():.3f}")
    found: list[np.ndarray] = []
    for seed in range(draws):
        rows = np.sort(np.random.default_rng(seed).choice(frame.height, labelled, replace=False))
        sample = gold[rows]
        try:
            alone = spread(
                estimate_drivers(sample, outcome="stars", attributes=ASPECTS, method=LOOSE)
            )
        except EstimationError:
            continue
        labels = sample.with_columns(row=pl.Series(rows))
        corrected = spread(
            estimate_drivers(frame, outcome="stars", attributes=ASPECTS, gold=labels)
        )
        if not np.isnan([alone, corrected]).any():
            found.append(np.stack([alone, corrected]))
    values = np.array(found)
    for name, pair in zip(("sample alone", "corrected"), np.swapaxes(values, 0, 1), strict=True):
        error, width = pair[:, 0] - target, pair[:, 1]
        print(
            f"  {name:12s} {len(values)} samples of {labelled}: mean distance {abs(error).mean():.3f} "
            f"{abs(error).mean(axis=0).round(2)}, coverage {(abs(error) < 1.96 * width).mean():.3f}"
        )
    ratio = values[:, 1, 1] / values[:, 0, 1]
    print(
        f"  width of corrected to sample: mean {ratio.mean():.2f}, each {ratio.mean(axis=0).round(2)}"
    )


LOOSE = METHOD.__class__(min_mentions=2)


def effects(frame: pl.DataFrame) -> np.ndarray:
    rows = estimate_drivers(frame, outcome="stars", attributes=ASPECTS)
    return np.array([row["estimate"] for row in rows])


def spread(rows: list[dict[str, float | None]]) -> np.ndarray:
    """Estimates and standard errors, (2, k), NaN where there is none."""
    return np.array([[row[key] for row in rows] for key in ("estimate", "std_error")], dtype=float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--wrong", type=float, default=0.2)
    parser.add_argument("--labelled", type=int, default=200)
    parser.add_argument("--halo", type=float, nargs="*", default=[0.0, 1.0])
    parser.add_argument("--nights", type=int, default=0)
    parser.add_argument("--draws", type=int, default=40)
    options = parser.parse_args()
    if options.worlds:
        for halo in options.halo:
            cover(options.worlds, options.wrong, halo, options.labelled)
    for halo in options.halo if options.nights else ():
        cover_nights(options.nights, options.wrong, halo, options.labelled)
    folder = find_real_data()
    if folder is None:
        print("no real data: set WHYREC_REAL_DATA to its folder")
    elif options.draws:
        compare(folder, options.draws, options.labelled)


if __name__ == "__main__":
    main()
