"""Speed and equality of the encoder against `SentenceTransformer.encode`, same CPU, interleaved.

    python -m tests.benchmarks.bench_embedding [--texts 400] [--rounds 5]

Texts are real reviews (`WHYREC_REAL_DATA`) or, without them, made-up ones of like length.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tasks.text.encoder import Encoder
from tasks.text.store import EmbeddingStore
from tests.text.conftest import find_real_data


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    from sentence_transformers import SentenceTransformer

    texts = load_texts(options.texts)
    encoder = Encoder(device="cpu")
    peer = SentenceTransformer(str(encoder.folder), device="cpu")

    def run_peer() -> np.ndarray:
        return np.asarray(peer.encode(texts, normalize_embeddings=True, show_progress_bar=False))

    ours, theirs = encoder.encode_counted(texts), run_peer()  # warm both up
    cosine = (ours.vectors * theirs).sum(axis=1)
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(options.rounds):
        seconds["ours"].append(time_once(lambda: encoder.encode(texts)))
        seconds["peer"].append(time_once(run_peer))
    half = [encoder.encode(texts[start::7]) for start in range(7)]
    is_same = [np.array_equal(half[start], ours.vectors[start::7]) for start in range(7)]
    median = {key: statistics.median(values) for key, values in seconds.items()}
    print(f"{len(texts)} texts, {ours.n_tokens} tokens, {ours.n_cut} cut, {options.rounds} rounds")
    for key, value in median.items():
        print(f"{key:5s} median {value:.2f} s, {len(texts) / value:.0f} texts/s")
    ratios = [b / a for a, b in zip(seconds["ours"], seconds["peer"], strict=True)]
    print(f"speed-up: median of paired rounds {statistics.median(ratios):.2f}x")
    print(f"cosine: min {cosine.min():.8f}, mean {cosine.mean():.8f}")
    print(f"bit-identical in other company: {sum(is_same)} of 7 splits")
    bench_store(encoder, texts)


def bench_store(encoder: Encoder, texts: list[str]) -> None:
    """Second call, and one with 5% new texts."""
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddingStore(Path(folder), encoder)
        first = time_once(lambda: store.embed(texts))
        reopened = EmbeddingStore(Path(folder), encoder)
        again = time_once(lambda: reopened.embed(texts))
        fresh = [*texts, *(f"new text {n}" for n in range(len(texts) // 20))]
        result = reopened.embed(fresh)
    print(
        f"store: first {first:.2f} s, again {again:.3f} s; 5% new: {result.n_new} of {len(fresh)}"
    )


if __name__ == "__main__":
    main()
