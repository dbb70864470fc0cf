"""Speed and quality of every encoder tier against `SentenceTransformer.encode`, same CPU, interleaved.

    OMP_NUM_THREADS=2 python -m tests.benchmarks.bench_embedding [--texts 300] [--rounds 5] [--tiers ...]

Each round runs every tier and the peer once, in turn, on texts of its own, as a night does; with
`--same` on those that all have read before. A speed-up is the median over rounds of the peer's time
by the tier's, of wall and of processor time. Texts are real reviews (`WHYREC_REAL_DATA`) or, without
them, made-up ones of like length.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tasks.text.encoder import Encoder
from tasks.text.store import EmbeddingStore
from tests.text.conftest import find_real_data

TIERS = {
    "torch exact": {"backend": "torch", "precision": "exact"},
    "torch fast": {"backend": "torch", "precision": "fast"},
    "openvino exact": {"backend": "openvino", "precision": "exact"},
    "openvino fast": {"backend": "openvino", "precision": "fast"},
    "openvino fastest": {"backend": "openvino", "precision": "fastest"},
    "static": {"backend": "auto", "precision": "static"},
}


@dataclass
class Runner:
    """What is timed, and its seconds a round: wall and processor."""

    run: Callable[[list[str]], np.ndarray]
    wall: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def time_once(self, texts: list[str]) -> None:
        wall, busy = time.perf_counter(), time.process_time()
        self.run(texts)
        self.wall.append(time.perf_counter() - wall)
        self.busy.append(time.process_time() - busy)


def load_texts(n: int) -> list[str]:
    """`n` distinct reviews."""
    folder = find_real_data()
    if folder is None:
        rng = np.random.default_rng(0)
        return [
            f"{i} " + "the sound is good and loud " * int(rng.integers(2, 60)) for i in range(n)
        ]
    lines = (folder / "amazon_musical" / "Musical_Instruments_5.json").open()
    return list(dict.fromkeys(json.loads(line)["reviewText"] for line in lines))[:n]


def time_once(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def divide(peer: list[float], own: list[float]) -> str:
    ratios = [b / a for a, b in zip(own, peer, strict=True)]
    return f"{statistics.median(ratios):6.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiers", nargs="*", default=list(TIERS), choices=list(TIERS))
    parser.add_argument("--batch-tokens", type=int)
    parser.add_argument("--same", action="store_true")
    options = parser.parse_args()
    from sentence_transformers import SentenceTransformer

    every = load_texts(options.texts * (1 if options.same else options.rounds + 1))
    sets = [every[at : at + options.texts] for at in range(0, len(every), options.texts)]
    texts = sets[0]
    encoders = {
        name: Encoder(device="cpu", batch_tokens=options.batch_tokens, **TIERS[name])
        for name in options.tiers
    }
    peer_model = SentenceTransformer(str(Encoder(device="cpu").folder), device="cpu")
    peer = Runner(
        lambda read: np.asarray(
            peer_model.encode(read, normalize_embeddings=True, show_progress_bar=False)
        )
    )
    runners = {name: Runner(encoder.encode) for name, encoder in encoders.items()}
    found = {name: runner.run(texts) for name, runner in runners.items()}  # warms up, too
    wanted = peer.run(texts)
    for number in range(options.rounds):
        for runner in (*runners.values(), peer):
            runner.time_once(sets[(number + 1) % len(sets)])
        print(f"round took {sum(r.wall[-1] for r in (*runners.values(), peer)):.0f} s", flush=True)
    n_tokens = next(iter(encoders.values())).count_tokens(texts).sum()
    print(f"{len(texts)} texts, {n_tokens} tokens, {options.rounds} rounds")
    print(f"peer: median {len(texts) / statistics.median(peer.wall):.0f} texts/s")
    for name, runner in runners.items():
        rate = len(texts) / statistics.median(runner.wall)
        print(f"{name}: {encoders[name].choice.tier}, {rate:.0f} texts/s")
        print(
            f"    speed-up wall {divide(peer.wall, runner.wall)}, processor {divide(peer.busy, runner.busy)}"
        )
        print(f"    {compare(found[name], wanted)}; {count_same(encoders[name], texts)}")
    name, encoder = next(iter(encoders.items()))
    bench_store(name, encoder, texts)


def compare(vectors: np.ndarray, wanted: np.ndarray) -> str:
    """Cosine with the peer's vectors, or, in other dimensions, agreement of what is near."""
    near = f"top-10 overlap {overlap(vectors, wanted):.3f}"
    if vectors.shape != wanted.shape:
        upper = np.triu_indices(len(vectors), 1)
        return f"{near}, rank correlation of similarities {rank_correlation((vectors @ vectors.T)[upper], (wanted @ wanted.T)[upper]):.3f}"
    cosine = (vectors.astype(float) * wanted).sum(axis=1)
    return f"cosine min {cosine.min():.7f}, mean {cosine.mean():.7f}, {near}"


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, ties aside."""
    ranks = [np.argsort(np.argsort(x)) for x in (a, b)]
    return float(np.corrcoef(ranks)[0, 1])


def overlap(a: np.ndarray, b: np.ndarray, k: int = 10) -> float:
    """Mean share of a text's `k` nearest by `a` that are among its `k` nearest by `b`."""
    nearest = []
    for vectors in (a, b):
        similar = vectors @ vectors.T
        np.fill_diagonal(similar, -2)
        nearest.append(np.argsort(-similar, axis=1)[:, :k])
    return float(
        np.mean([len(set(x) & set(y)) / k for x, y in zip(nearest[0], nearest[1], strict=True)])
    )


def count_same(encoder: Encoder, texts: list[str]) -> str:
    """Of how many splits the vectors are the same to the last bit."""
    whole = encoder.encode(texts[:28])
    same = [np.array_equal(encoder.encode(texts[n:28:4]), whole[n::4]) for n in range(4)]
    return f"bit-identical in other company: {sum(same)} of 4 splits"


def bench_store(name: str, encoder: Encoder, texts: list[str]) -> None:
    """A first call, the same again, and one with 5% new texts."""
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddingStore(Path(folder), encoder)
        first = time_once(lambda: store.embed(texts))
        reopened = EmbeddingStore(Path(folder), encoder)
        again = time_once(lambda: reopened.embed(texts))
        fresh = [*texts, *(f"new text {n}" for n in range(len(texts) // 20))]
        result = reopened.embed(fresh)
    print(
        f"store, {name}: first {first:.2f} s, again {again:.3f} s; 5% new: {result.n_new} of {len(fresh)}"
    )


if __name__ == "__main__":
    main()
