"""Recommenders: seconds a pass and to equal loss against other libraries, memory, Coat.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_recommend [--rounds 3] [--ratings 1000000]
        [--only speed memory coat sample augment] [--peers implicit cornac surprise]
        [--peer-python python]

speed: the same ratings of known truth (biases, rank 8, noise of variance 0.64) to every library, in
turn, `--rounds` times; seconds are of the processor and of one thread, so that a busy machine does
not count, of training alone. cornac's MF and scikit-surprise's SVD minimise squared error with
biases, as we do; cornac's rate and penalty are the best of a grid by held-out error, surprise's, the
same algorithm, are like them, and our penalty is what the truth's variances imply. implicit's ALS
minimises its own loss over all pairs; we minimise the very same, with a mean beside. "Equal loss" is
that of the one that ends worse, plus 0.5%. The peers run by `--peer-python`, in an environment of
their own: pip install cornac scikit-surprise implicit.

memory: peak resident memory of a doubly robust fit, one process for each size. coat: the table of
`whyrec recommend evaluate`, over ten seeds (`WHYREC_REAL_DATA`). sample: what share of the oracle's
value a ranking loses, over worlds (tests/recommend/click_worlds.py): the same model and inputs, tuned
by cross-validation on the first world's log of its kind, trained naively on clicks, on clicks divided
by the chance of a look, and on these weighted by 1/propensity as well. The bar: naive loses 10%, the
last within 2%. augment: whether augmented ratings help (recommend_augment.py).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tasks.ingest.sample_world import WorldSpec
from tasks.recommend import train
from tasks.recommend.data import Ratings
from tasks.recommend.debias import Recipe, fit_debiased
from tasks.recommend.evaluate import evaluate_models, load_protocol, train_model, tune_model
from tasks.recommend.models import Inputs, make_inputs
from tasks.recommend.propensity import clip_propensities
from tasks.recommend.sources import load_source
from tests.benchmarks.recommend_augment import bench_counterfactual, bench_time_shift
from tests.benchmarks.recommend_peers import measure, weigh_all_pairs
from tests.recommend import click_worlds

DATA = Path(os.environ.get("WHYREC_REAL_DATA", "../shared/data"))
RANK = 8
PEERS = {"implicit": (0.0, 1.0), "cornac": (0.01, 0.05), "surprise": (0.015, 0.05)}
"""Learning rate and penalty of each."""
SLACK = 1.005
COAT = ("bias", "mf", "mf-ips", "features", "ips", "snips", "dr", "stabledr")


def make_matrix(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """`n` ratings to train on and n/10 held out; some items are rated far more often."""
    rng = np.random.default_rng(seed)
    shape = n_users, n_items = n // 100, max(n // 333, 10)
    fame = (np.arange(n_items) + 20.0) ** -0.8
    drawn = rng.integers(0, n_users, int(1.5 * n)) * n_items
    drawn += rng.choice(n_items, len(drawn), p=fame / fame.sum())
    pairs = rng.permutation(np.unique(drawn))[: n + n // 10]
    users, items = np.divmod(pairs, n_items)
    left, right = (rng.normal(scale=0.4, size=(size, RANK)) for size in shape)
    own, other = (rng.normal(scale=0.4, size=size) for size in shape)
    truth = 3.5 + own[users] + other[items] + np.einsum("nk,nk->n", left[users], right[items])
    values = truth + rng.normal(scale=0.8, size=len(pairs))
    return {
        "shape": np.array(shape), "train_users": users[:n], "train_items": items[:n],
        "train": values[:n], "test_users": users[n:], "test_items": items[n:], "test": values[n:],
    }  # fmt: skip


def make_counts(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same as confidences for implicit's loss, from 2 to 6."""
    return data | {"train": 1 + np.clip(np.round(data["train"]), 1, 5)}


class Meter:
    """Counts passes over the ratings and the processor seconds of training alone."""

    def __init__(self) -> None:
        self.passes, self.seconds, self.points = 0, 0.0, []
        self._plain = train._SparsePairs.measure

    def __enter__(self) -> "Meter":
        def counted(pairs, a, b):
            self.passes += 1
            return self._plain(pairs, a, b)

        train._SparsePairs.measure = counted
        self._start = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        train._SparsePairs.measure = self._plain

    def look(self, losses: dict[str, float]) -> None:
        self.points.append({"passes": self.passes, "seconds": self.seconds, **losses})

    def pause(self) -> None:
        self.seconds += time.process_time() - self._start

    def resume(self) -> None:
        self._start = time.process_time()


def fit_ours(data: dict[str, np.ndarray], *, is_all_pairs: bool) -> list[dict[str, float]]:
    """Points of our own training, on squared error or on implicit's loss."""
    weights = np.ones(len(data["train"]))
    objective = train.Objective(
        data["train_users"], data["train_items"], weights, data["train"].astype(float)
    )
    variances, penalty = {"user": 0.16, "item": 0.16, "latent": RANK * 0.16**2}, 0.64
    if is_all_pairs:
        c = data["train"].astype(float)
        objective = train.Objective(
            data["train_users"], data["train_items"], c - 1, c, all_pairs=1.0
        )
        variances, penalty = {"latent": float(RANK)}, 1.0  # latent vectors as they are
    n_users, n_items = (int(n) for n in data["shape"])
    inputs = Inputs(np.zeros((n_users, 0)), np.zeros((n_items, 0)))
    meter = Meter()

    def check(model) -> float:
        meter.pause()
        a, b = model.find_towers()
        if is_all_pairs:
            size = sum((v**2).sum() for k, v in model.parameters.items() if k != "mean")
            losses = {"loss": weigh_all_pairs(a, b, data, size)}
        else:
            losses = measure(lambda u, i: np.einsum("nk,nk->n", a[u], b[i]), data)
        meter.look(losses)
        meter.resume()
        return -float(len(meter.points))  # never stop early

    with meter:
        train.fit_model(
            objective, inputs, variances=variances, seed=0, rank=RANK, penalty=penalty,
            budget=train.Budget(steps=100, tolerance=1e-7), check=check,
        )  # fmt: skip
    return meter.points


def run_peer(python: str, name: str, file: Path) -> list[dict[str, float]]:
    """Points of another library."""
    script = Path(__file__).with_name("recommend_peers.py")
    one = {f"{kind}_NUM_THREADS": "1" for kind in ("OMP", "OPENBLAS", "MKL")}
    answer = subprocess.run(
        [python, str(script), name, str(file), "1", str(RANK), *map(str, PEERS[name])],
        env=os.environ | one, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode:
        sys.exit(f"{name} did not run: {answer.stderr.strip().splitlines()[-1]}")
    return json.loads(answer.stdout.strip().splitlines()[-1])


def seconds_to(points: list[dict[str, float]], loss: str, target: float) -> float:
    return min(point["seconds"] for point in points if point[loss] <= target)


def compare(ours: list[dict[str, float]], peer: list[dict[str, float]], found: dict) -> None:
    """Add a round's seconds: a pass, and to each loss, ours and theirs."""
    for side, points in (("ours", ours), ("peer", peer)):
        last = points[-1]
        found.setdefault("pass", {}).setdefault(side, []).append(last["seconds"] / last["passes"])
        for loss in ("train", "test") if "test" in last else ("loss",):
            target = SLACK * max(min(p[loss] for p in own) for own in (ours, peer))
            found.setdefault(loss, {"target": target}).setdefault(side, []).append(
                seconds_to(points, loss, target)
            )


def bench_speed(n: int, rounds: int, peers: list[str], python: str) -> None:
    """A row for each peer and measure: medians over rounds and the ratio's range."""
    import torch

    torch.set_num_threads(1)
    data = make_matrix(n)
    counts = make_counts(data)
    fit_ours(make_matrix(100_000), is_all_pairs=False)  # loads torch
    found: dict[str, dict] = {name: {} for name in peers}
    with tempfile.TemporaryDirectory() as folder:
        for name, part in (("stars", data), ("counts", counts)):
            np.savez(Path(folder) / f"{name}.npz", **part)
        for _ in range(rounds):
            for name in peers:
                kind = "counts" if name == "implicit" else "stars"
                ours = fit_ours(counts if kind == "counts" else data, is_all_pairs=kind == "counts")
                compare(ours, run_peer(python, name, Path(folder) / f"{kind}.npz"), found[name])
    print(f"\n{n:,} ratings, rank {RANK}, one thread, processor seconds, {rounds} rounds")
    print(f"{'peer':10}{'seconds':24}{'ours':>9}{'peer':>9}   peer / ours")
    for name, measures in found.items():
        for what, row in measures.items():
            label = "a pass" if what == "pass" else f"to {what} {row['target']:,.4g}"
            ratios = [b / a for a, b in zip(row["ours"], row["peer"], strict=True)]
            ours, peer = statistics.median(row["ours"]), statistics.median(row["peer"])
            span = f"({min(ratios):.2f}-{max(ratios):.2f})"
            middle = statistics.median(ratios)
            print(f"{name:10}{label:24}{ours:9.3f}{peer:9.3f}   {middle:.2f}x {span}")


def measure_memory(n: int) -> None:
    """Fit `n` ratings doubly robustly and print the peak in GiB and the seconds; own process."""
    data = make_matrix(n)
    shape = tuple(int(size) for size in data["shape"])
    ratings = Ratings(
        data["train_users"], data["train_items"], data["train"], tuple(map(str, range(shape[0]))),
        tuple(map(str, range(shape[1]))), np.zeros((shape[0], 0)), np.zeros((shape[1], 0)),
    )  # fmt: skip
    del data
    recipe = Recipe(
        {"user": 0.14, "item": 0.14, "latent": 0.18}, "dr", rank=RANK, budgets=(train.Budget(10),)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    chances = np.clip(np.bincount(ratings.items)[ratings.items] / shape[0], 0.01, 1)
    fit_debiased(recipe, ratings, make_inputs(ratings), chances, seed=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([before / 2**20, peak / 2**20, time.process_time() - start]))


def bench_memory(sizes: list[int]) -> None:
    print(f"\n{'ratings':>12}{'data made GiB':>15}{'peak GiB':>10}{'seconds':>9}")
    for n in sizes:
        command = [sys.executable, "-m", "tests.benchmarks.bench_recommend", "--child", str(n)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        before, peak, seconds = json.loads(answer.stdout.strip().splitlines()[-1])
        print(f"{n:12,}{before:15.2f}{peak:10.2f}{seconds:9.0f}", flush=True)


def bench_coat(seeds: int) -> None:
    """Means and standard deviations over seeds, and what was tuned on the training ratings."""
    answer = evaluate_models(load_source("coat", DATA / "coat"), COAT, seeds=seeds)
    figures = ("mse", "mae", "auc", "ndcg_at_5", "recall_at_5", "calibration_error")
    print(f"\ncoat, {seeds} seeds: mean and standard deviation")
    print(f"{'model':10}" + "".join(f"{name:>18}" for name in figures) + "   power  penalty")
    for row in answer["models"]:
        spreads = {name: row[name]["sd"] for name in figures}
        cells = [
            f"{row[name]['mean']:.4f} " + ("-" if spread is None else f"{spread:.4f}")
            for name, spread in spreads.items()
        ]
        tuned = f"{row['power']:8} {row['penalty']:8}"
        print(f"{row['model']:10}" + "".join(f"{cell:>18}" for cell in cells) + tuned)


LEARNERS = {
    "naive": ("features", False), "looks": ("features", True), "looks, 1/p": ("snips", True)
}  # fmt: skip
"""Names of MODELS, and whether clicks are divided by the chance of a look."""


def bench_sample(worlds: int, exposures_per_day: int) -> None:
    """Mean loss of each learner over worlds on each log, and its standard error."""
    protocol = load_protocol()
    print(f"\nshare of the oracle's value lost, {worlds} worlds, {exposures_per_day:,} a day")
    print(f"{'log':14}{'rows':>9}" + "".join(f"{name:>18}" for name in LEARNERS), flush=True)
    for kind in click_worlds.LOGS:
        lost: dict[str, list[float]] = {name: [] for name in LEARNERS}
        tuned: dict[str, tuple[float, float]] = {}
        for seed in range(worlds):
            spec = WorldSpec(seed=seed, exposures_per_day=exposures_per_day)
            catalogue, log = click_worlds.draw_log(kind, spec)
            for name, (model, is_corrected) in LEARNERS.items():
                clicks = click_worlds.make_ratings(catalogue, log, is_corrected=is_corrected)
                chances = clip_propensities(log.propensity, clicks, floor=1e-3)
                if seed == 0:
                    tuned[name] = tune_model(model, clicks, chances, protocol)
                power, penalty = tuned[name]
                found = train_model(
                    model, clicks, chances, protocol, power=power, penalty=penalty, seed=0
                )
                lost[name].append(click_worlds.find_loss(catalogue, found))
        cells = "".join(
            f"{np.mean(own):11.2%} {np.std(own) / max(len(own) - 1, 1) ** 0.5:6.2%}"
            for own in lost.values()
        )
        print(f"{kind:14}{len(log.user):9,}{cells}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parts = ("speed", "memory", "coat", "sample", "augment")
    parser.add_argument("--only", nargs="*", default=parts, choices=parts)
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--sizes", nargs="*", type=int, default=[10**6, 3 * 10**6, 10**7])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--worlds", type=int, default=5)
    parser.add_argument("--exposures-per-day", type=int, default=10_000)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure_memory(options.child)
        return
    if "speed" in options.only:
        bench_speed(options.ratings, options.rounds, options.peers, options.peer_python)
    if "memory" in options.only:
        bench_memory(options.sizes)
    if "coat" in options.only:
        bench_coat(options.seeds)
    if "sample" in options.only:
        bench_sample(options.worlds, options.exposures_per_day)
    if "augment" in options.only:
        bench_counterfactual(DATA / "coat", options.seeds)
        bench_time_shift(DATA / "amazon_musical" / "Musical_Instruments_5.json")


if __name__ == "__main__":
    main()
