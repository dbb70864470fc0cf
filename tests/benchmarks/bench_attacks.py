"""Planted attacks: how well they are found, what they move, and what is left with the flagged out.

Run `python -m tests.benchmarks.bench_attacks [WORLDS]`. Sample worlds have seeds the detector's fence
was never looked at on (from 201). Every attack is planted at 0.5, 1, 3 and 5% against the effect of
the price; shifts are in clean standard errors, and "back" is the share of all six effects whose
estimate without the flagged rows lies in its clean interval. A careful attacker spreads the fakes
over the whole month, stays a star off the extremes and writes texts that share nothing (the text
signal is withheld). With WHYREC_REAL_DATA the Coat ratings are shilled, against a ridge matrix
factorisation, and Amazon reviews are looked through as they are.
"""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from flows.attacks.files import load_file
from flows.attacks.sources import Columns
from flows.attacks.target import MomentsTarget
from tasks.robustness.corpus import Corpus, join_rows, make_corpus
from tasks.robustness.defend import defend_conclusions, score_detection
from tasks.robustness.detect import FENCE, suspect
from tasks.robustness.effects import find_smallest
from tasks.robustness.scorecard import (
    NAMES,
    Plan,
    attack_recommender,
    forge_against,
    list_suspects,
    make_victim,
)
from tasks.robustness.surrogate import RidgeFactors
from tests.robustness.worlds import sample_target

SHARES = (0.005, 0.01, 0.03, 0.05)
ATTRIBUTE = "price"
FIRST_SEED = 201


def forge_worlds(plan: Plan, worlds: int) -> Iterator[tuple[str, MomentsTarget, pl.DataFrame]]:
    """Every attack against the price's effect, in every world, at the largest size."""
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        target = sample_target(seed)
        for name in NAMES:
            yield name, target, forge_against(target, name, ATTRIBUTE, "contradict", plan)


def bench_sample(worlds: int) -> None:
    """Standard attackers."""
    print(
        "attack          size   AUC  prec@1% recall@1% | fence: recall  false | shift  left  worst  back  capped"
    )
    found = defaultdict(list)
    for name, target, fakes in forge_worlds(Plan(looked_to=SHARES[-1], mode="nuke"), worlds):
        clean = target.conclude()
        for share in SHARES:
            found[name, share].append(
                measure(target, fakes.head(round(share * target.corpus.n)), clean)
            )
    for (name, share), rows in found.items():
        print_row(name, share, np.mean(rows, axis=0))
    everything = np.array([row for rows in found.values() for row in rows])
    print(
        f"lowest AUC {everything[:, 0].min():.3f}; at 1%: "
        f"{min(row[0] for (_, share), rows in found.items() if share == 0.01 for row in rows):.3f}; "
        f"back {everything[:, 8].mean():.3f} of {len(everything) * 6}"
    )


def measure(target: MomentsTarget, fakes: pl.DataFrame, clean, without=()) -> list[float]:
    """Detection and defended conclusions of one planted attack."""
    suspicion = suspect(join_rows(target.corpus, fakes), without=without)
    score = score_detection(suspicion, fakes)
    defended = defend_conclusions(target, fakes, suspicion, clean=clean)
    left = {one.attribute: one for one in defended if one.defence == "flagged rows left out"}
    (capped,) = (
        one for one in defended if one.attribute == ATTRIBUTE and one.defence == "influence capped"
    )
    attacked = target.conclude(fakes)[ATTRIBUTE]
    shift = (attacked.estimate - clean[ATTRIBUTE].estimate) / clean[ATTRIBUTE].std_error
    return [
        score.auc, score.precision, score.recall, score.hits / score.fakes, score.false_alarm_rate,
        shift, left[ATTRIBUTE].shift, max(abs(one.shift) for one in left.values()),
        float(np.mean([one.is_back for one in left.values()])), capped.shift,
    ]  # fmt: skip


def print_row(name: str, share: float, row) -> None:
    """One line."""
    print(
        f"{name:14} {share:5.1%}  {row[0]:.3f}  {row[1]:.2f}    {row[2]:.2f}      |        {row[3]:.2f}    "
        f"{row[4]:.3f} | {row[5]:+6.1f} {row[6]:+5.2f} {row[7]:5.2f}  {row[8]:.2f}  {row[9]:+6.1f}",
        flush=True,
    )


def bench_careful() -> None:
    """Attackers who know what is looked at."""
    print(
        "\ncareful attacker, 1% (spread over the month, a star off the extremes, text signal withheld)"
    )
    target = sample_target(FIRST_SEED)
    clean, corpus = target.conclude(), target.corpus
    for name in NAMES:
        plan = Plan(looked_to=0.01, mode="nuke", days=30)
        fakes = forge_against(target, name, ATTRIBUTE, "contradict", plan).with_columns(
            pl.col("rating").clip(corpus.lowest + 1, corpus.highest - 1)
        )
        print_row(name, 0.01, measure(target, fakes, clean, without=("copied text",)))


def bench_smallest() -> None:
    """How few fakes change each conclusion, by the two strongest attacks."""
    print("\nsmallest attack that changes a conclusion (sample world, 30 days)")
    target = sample_target(FIRST_SEED)
    clean = target.conclude()
    start = time.perf_counter()
    for attribute in target.corpus.attributes:
        for name in ("fake-reviews", "gradient"):
            tale = "contradict" if clean[attribute].side == "raises" else "agree"
            fakes = forge_against(target, name, attribute, tale, Plan(mode="nuke"))
            print(
                f"{attribute:14} {name:13}",
                find_smallest(target, attribute, fakes, clean=clean).sentence,
            )
    print(f"{time.perf_counter() - start:.1f} s for {2 * len(clean)} searches")


def read_coat(folder: Path) -> Corpus:
    """The self-selected training ratings."""
    matrix = np.loadtxt(folder / "coat" / "train.ascii")
    users, items = np.nonzero(matrix)
    return make_corpus(
        pl.DataFrame({
            "user_id": [f"u{code}" for code in users], "item_id": [f"i{code}" for code in items],
            "rating": matrix[users, items],
        })
    )  # fmt: skip


def bench_coat(folder: Path, fence: float) -> None:
    """Shilled ratings without texts or dates: what a recommender shows, and what detection saves."""
    corpus = read_coat(folder)
    print(
        f"\nCoat, {corpus.n:,} ratings, no dates, no texts; hit rate of the target at 10; fence {fence}"
    )
    print(
        "mode attack          size   clean attacked defended   stars  defended   AUC   fence recall/false"
    )
    for mode in ("push", "nuke"):
        for name in NAMES:
            for share in (0.01, 0.03, 0.05):
                plan = replace(Plan(), share=share, mode=mode, fence=fence)
                one = attack_recommender(make_victim(RidgeFactors(), corpus, plan), name)
                before, after = one.damage, one.defended
                print(
                    f"{mode} {name:14} {share:5.1%}   {before.clean.hit_rate:.3f}  {before.attacked.hit_rate:.3f}    "
                    f"{after.attacked.hit_rate:.3f}     {before.prediction_shift:+.2f}   {after.prediction_shift:+.2f}   "
                    f"{one.detection.auc:.3f}   {one.detection.hits / one.detection.fakes:.2f}/{one.detection.false_alarm_rate:.3f}",
                    flush=True,
                )


def look_through_amazon(folder: Path) -> None:
    """What would be flagged of real reviews, as counts and reasons (ids are not shown)."""
    path = folder / "amazon_musical" / "Musical_Instruments_5.json"
    columns = Columns("reviewerID", "asin", "overall", "unixReviewTime", "reviewText")
    corpus = load_file(str(path), columns, attributes=(), config=None).target.corpus
    suspicion = suspect(corpus)
    print(
        f"\nAmazon musical instruments as they are: {suspicion.flags.sum()} of {len(suspicion.score):,} accounts, "
        f"{suspicion.row_flags.sum()} of {corpus.n:,} reviews look unusual; the first ten, for a person to judge:"
    )
    for one in list_suspects(suspicion, most=10):
        print(
            f"  score {one['score']:.1f}  {one['reviews']:3} reviews  mean {one['mean_rating']:.1f}  "
            f"{one['first_date']} to {one['last_date']}  {'; '.join(one['reasons'])}"
        )


def main(worlds: int = 2) -> None:
    """Everything in turn."""
    bench_smallest()
    bench_sample(worlds)
    bench_careful()
    if folder := os.environ.get("WHYREC_REAL_DATA"):
        for fence in (FENCE, 1.5):
            bench_coat(Path(folder), fence)
        look_through_amazon(Path(folder))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
