"""Attacked texts per second against TextAttack 0.3.11: same victim, change, constraints and texts.

    WHYREC_REAL_DATA=../shared/data OMP_NUM_THREADS=2 python -m tests.benchmarks.bench_text_attacks \\
        --peer ../textattack/bin/python [--texts 200] [--rounds 3] [--block 2]

The victim is all-MiniLM-L6-v2 with a logistic regression of the food label of CEBaB reviews (praise
or blame), fitted to reviews that are not attacked. Two neighbouring letters change places, in at
most 15 words, no stop word, no word twice. TextAttack asks word by word, ranked by deletion, in
float32 by torch. Ours ranks by words alone, asks for all texts together, and searches on the
bfloat16 tier of the encoder (`text.precision = "fast"`). Outside the clock the peer's float32 victim
then judges our texts, before and after: only what it reads rightly before and wrongly after counts.
The peer needs an environment of its own: torch, transformers 4.53, textattack 0.3.11 and flair
without their dependencies, what their imports ask for, and NLTK_DATA with a list
`corpora/stopwords/english`. Rounds are interleaved; ratios are medians over rounds, of wall and
of processor time (on a busy machine the second is the one to read, with one thread each).
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.robustness.text.outcome import Outcome, summarise
from tasks.robustness.text.run import Attack, run_attack
from tasks.robustness.text.search import GreedyWords
from tasks.robustness.text.typos import SwapNeighbours
from tasks.robustness.text.words import load_stop_words
from tasks.text.encoder import Encoder
from tests.text.conftest import find_real_data

MOST_WORDS = 15
N_TRAIN = 800


class LogisticVictim:
    """A logistic regression on an encoder's vectors."""

    labels = ("Negative", "Positive")

    def __init__(self, encoder: Encoder, weights: np.ndarray, bias: float) -> None:
        self.encoder, self.weights, self.bias = encoder, weights, bias

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        share = 1 / (1 + np.exp(-(self.encoder.encode(list(texts)) @ self.weights + self.bias)))
        return np.column_stack([1 - share, share])


class Peer:
    """TextAttack in its own environment."""

    def __init__(self, python: str, setting: dict[str, Any]) -> None:
        script = Path(__file__).with_name("textattack_peer.py")
        data = Path(python).parents[1] / "nltk_data"
        self.process = subprocess.Popen(
            [python, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "NLTK_DATA": os.environ.get("NLTK_DATA", str(data))},
        )
        self.ask(setting)

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("@@"):
                return json.loads(line[2:])
        raise SystemExit("the peer ended; run textattack_peer.py by hand to see why")


def load_food(folder: Path) -> tuple[list[str], np.ndarray]:
    """Reviews that praise or blame the food, and which."""
    lines = (folder / "cebab_observational" / "reviews.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    kept = [r for r in rows if r["food_aspect_majority"] in LogisticVictim.labels]
    labels = [LogisticVictim.labels.index(row["food_aspect_majority"]) for row in kept]
    return [row["description"] for row in kept], np.array(labels)


def attack_once(
    victim: LogisticVictim, texts: list[str], labels: np.ndarray, block: int
) -> tuple[float, float, Outcome]:
    search = GreedyWords(SwapNeighbours(), block=block, most_words=MOST_WORDS)
    start, busy = time.perf_counter(), time.process_time()
    outcome = run_attack(Attack("swaps", search), victim, texts, truths=labels.tolist(), seed=7)
    return time.perf_counter() - start, time.process_time() - busy, outcome


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--peer", required=True, help="Python that TextAttack is installed for")
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--block", type=int, default=2)
    options = parser.parse_args()
    folder = find_real_data()
    if folder is None:
        raise SystemExit("no real data; set WHYREC_REAL_DATA")
    texts, labels = load_food(folder)
    draft_encoder = Encoder(backend="auto", precision="fast")
    exact_encoder = Encoder(backend="auto", precision="exact")
    from sklearn.linear_model import LogisticRegression

    train = exact_encoder.encode(texts[:N_TRAIN])
    fitted = LogisticRegression(C=10, max_iter=1000).fit(train, labels[:N_TRAIN])
    weights, bias = fitted.coef_[0], float(fitted.intercept_[0])
    draft = LogisticVictim(draft_encoder, weights, bias)
    chosen = texts[N_TRAIN : N_TRAIN + options.texts]
    truth = labels[N_TRAIN : N_TRAIN + options.texts]
    draft.predict(chosen[:8])
    threads = int(os.environ.get("OMP_NUM_THREADS", "2"))
    peer = Peer(
        options.peer,
        {
            "model": str(exact_encoder.folder), "weights": weights.tolist(), "bias": bias,
            "texts": chosen, "labels": truth.tolist(), "stop_words": sorted(load_stop_words()),
            "most_words": MOST_WORDS, "threads": threads,
        },
    )  # fmt: skip
    print(f"ours: {draft_encoder.describe()}; TextAttack: torch fp32")
    ratios, work = [], []
    for number in range(options.rounds):
        seconds, busy, outcome = attack_once(draft, chosen, truth, options.block)
        theirs = peer.ask({"task": "attack"})
        ours = summarise(outcome)
        ratios.append(theirs["seconds"] / seconds)
        work.append(theirs["busy"] / busy)
        print(
            f"round {number}: ours {len(chosen) / seconds:.1f} texts/s, "
            f"TextAttack {len(chosen) / theirs['seconds']:.1f}, {ratios[-1]:.1f}x "
            f"({work[-1]:.1f}x by processor time)",
            flush=True,
        )
    ours["succeeded"] = count_held(peer, outcome, truth)
    print(
        f"median {statistics.median(ratios):.1f}x attacked texts per second, "
        f"{statistics.median(work):.1f}x by processor time"
    )
    for name, one in (("ours", ours), ("TextAttack", theirs)):
        tried = one.get("attempted") or one["succeeded"] + one["failed"]
        print(
            f"{name:10s} succeeded {one['succeeded']} of {tried} ({one['succeeded'] / tried:.3f}), "
            f"{one['queries']} queries, {one['queries'] / one['succeeded']:.1f} a success, "
            f"{one['changed_words']:.1f} words changed"
        )
    unheld = sum(a.status == "succeeded" for a in outcome.attempts) - ours["succeeded"]
    print(f"{unheld} of ours more did not hold on the peer's victim and are counted as failed")


def count_held(peer: Peer, outcome: Outcome, truth: np.ndarray) -> int:
    """Successes that the peer's victim reads rightly before and wrongly after."""
    won = [a for a in outcome.attempts if a.status == "succeeded"]
    right = truth[[a.row for a in won]]
    before, after = (
        np.array(peer.ask({"task": "check", "texts": texts})["shares"]).argmax(axis=1)
        for texts in ([a.original for a in won], [a.perturbed for a in won])
    )
    return int(((before == right) & (after != right)).sum())


if __name__ == "__main__":
    main()
