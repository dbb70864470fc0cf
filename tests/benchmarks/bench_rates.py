"""CPU seconds and bytes that a million reviews cost in each room: what deployments/SCALING.md multiplies.

    python -m tests.benchmarks.bench_rates [--rows 100000] [--texts 300]

Every figure is CPU seconds of this process (all threads), which holds on a busy machine too, scaled to a
million reviews. Reviews are made up, 20 to 300 words (bench_ingest); texts that are embedded and read
are the sample world's, some 40 words. One run each, after warming up: read them to some 20%.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np

from tasks.effects.moments import compute_moments
from tasks.ingest.sample import WorldSpec, simulate
from tasks.quality.gate import run_gate
from tasks.text.clauses import ClauseExtractor
from tasks.text.encoder import Encoder, Precision
from tasks.text.extract import name_attributes
from tests.benchmarks.bench_ingest import run_ours, write_reviews
from tests.benchmarks.bench_moments import BUCKETS, Shape, make_day

MILLION = 1_000_000
ATTRIBUTES = ("price", "sound_quality", "durability", "ease_of_use", "size_fit", "shipping")


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def tell(what: str, seconds: float, units: int, **more: object) -> None:
    line = {"what": what, "cpu_s_per_million": round(seconds / units * MILLION, 1), "units": units}
    print(json.dumps(line | more), flush=True)


def measure_rows(folder: Path, n_rows: int) -> None:
    """Staging, the gate, and the bytes that a row takes before and after."""
    raw = folder / "raw.json"
    n = write_reviews(raw, max(1, n_rows // 1300), np.random.default_rng(7))
    staged = folder / "staged.parquet"
    seconds = cpu_of(lambda: run_ours(raw, folder))
    sizes = {"bytes_raw": raw.stat().st_size // n, "bytes_parquet": staged.stat().st_size // n}
    tell("ingest: JSON lines to checked Parquet", seconds, n, **sizes)
    day = date(2030, 1, 1)

    def gate() -> None:
        run_gate(
            staged, table="reviews", source="bench", drop_id="bench", as_of=day, history=None,
            date_bounds=(date(1990, 1, 1), day),
        )  # fmt: skip

    gate()
    tell("quality gate", cpu_of(gate), n)


def measure_texts(n_texts: int) -> None:
    """Vectors by tier, and attributes read from them."""
    spec = WorldSpec(n_days=3, reviews_per_day=max(n_texts, 100))
    texts = [text for text in simulate(spec).reviews["text"].to_list() if text][:n_texts]
    words = sum(len(text.split()) for text in texts) // len(texts)
    tiers: tuple[Precision, ...] = ("exact", "fastest", "static")
    for name in tiers:
        encoder = Encoder(device="cpu", backend="auto", precision=name)
        encoder.encode(texts[:20])
        seconds = cpu_of(lambda encoder=encoder: encoder.encode(texts))
        tell(f"embedding, {name} ({encoder.choice.tier})", seconds, len(texts), words=words)
    reviews = [(str(number), text) for number, text in enumerate(texts)]
    names = name_attributes(ATTRIBUTES)
    extractor = ClauseExtractor()

    def read() -> None:
        extractor.extract(reviews, attributes=names, embed=encoder.encode)

    read()
    tell("attributes by clauses, static vectors", cpu_of(read), len(texts), attributes=len(names))


def measure_moments(n_rows: int) -> None:
    """Moments of a partition of 64 controls and 12 treatments."""
    shape = Shape(64, 12)
    design, bucket = make_day(np.random.default_rng(1), n_rows, shape)

    def compute() -> object:
        return compute_moments(design, bucket, columns=shape.columns, n_buckets=BUCKETS)

    moments = compute_moments(design, bucket, columns=shape.columns, n_buckets=BUCKETS)
    size = int(moments.packed.nbytes)
    tell("moments, 64 controls, 12 treatments", cpu_of(compute), n_rows, bytes_partition=size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--texts", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="whyrec-rates-") as folder:
        measure_rows(Path(folder), options.rows)
    measure_texts(options.texts)
    measure_moments(options.rows)


if __name__ == "__main__":
    main()
