"""How long the quality gate takes: many small partitions, one million rows, ten million.

    python -m tests.benchmarks.bench_gate [--rows 300,1000000,10000000] [--repeats 3]

Prints one line per size: checks run, seconds of the first gate in the process (which imports the
library), median seconds after, CPU seconds of one of those (all threads; on a busy machine the
better guide), peak memory. The bar is 10 expectations on 10 million rows in under
10 seconds: `TEN` of the suite of reviews, the pattern, one key and one count of repeated texts among
them. The suite as a whole, which has more than twice as many, is timed beside. Making ten million
rows takes a minute and 700 MB of disk.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb

from tasks.quality import gate
from tasks.quality.gate import GateReport, run_gate

DAY = date(2024, 3, 7)
TEN = (
    "review_id_unique", "text_sha256_shape", "texts_repeated", "review_id_length", "user_id_not_blank",
    "item_id_not_blank", "text_present", "event_date_range", "rating_range", "rating_varies",
)  # fmt: skip
_MAKE = """
COPY (
    SELECT
        substr(sha256(i::VARCHAR), 1, 32) AS review_id,
        'shop' AS source,
        'u' || hash(i) % greatest($n // 20, 100) AS user_id,
        'i' || hash(i + 7) % 10000 AS item_id,
        TIMESTAMPTZ '2024-03-07 00:00:00+00' + to_seconds(i % 86400) AS reviewed_at,
        DATE '2024-03-07' AS event_date,
        (hash(i * 3) % 5 + 1)::DOUBLE AS rating,
        'title ' || i % 1000 AS title,
        CASE WHEN i % 50 = 0 THEN '' ELSE repeat('number ' || i || ' sounds good ', 4) END AS text,
        sha256(CASE WHEN i % 50 = 0 THEN '' ELSE i::VARCHAR END) AS text_sha256,
        i % 3 AS helpful_votes,
        i % 3 + i % 2 AS total_votes,
        i % 2 = 0 AS is_verified,
        'd' AS drop_id,
        'f.jsonl' AS file,
        i AS line
    FROM range($n) AS t(i)
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""


def make_reviews(path: Path, n_rows: int) -> None:
    """Write a staged file of `n_rows` reviews that pass."""
    duckdb.execute(_MAKE.replace("{path}", str(path)), {"n": n_rows})


def time_gate(path: Path, repeats: int) -> tuple[GateReport, list[float], list[float]]:
    """Report, then wall and CPU seconds of one gate and of `repeats` more."""
    wall, cpu = [], []
    for _ in range(repeats + 1):
        started, started_cpu = time.perf_counter(), time.process_time()
        report = run_gate(
            path,
            table="reviews",
            source="shop",
            drop_id="d",
            as_of=DAY,
            history=None,
            date_bounds=(DAY, DAY),
        )
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - started_cpu)
    return report, wall, cpu


@contextmanager
def choose_checks(names: Sequence[str] | None) -> Iterator[None]:
    """The suite of a table, or those of it that are named."""
    whole = gate._load_suite

    def load(*given: Any) -> list[Any]:
        return [rule for rule in whole(*given) if names is None or rule.meta["name"] in names]

    with patch.object(gate, "_load_suite", load):
        yield


def main() -> None:
    """Run the sizes asked for and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="300,1000000,10000000")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for n_rows in map(int, options.rows.split(",")):
            path = Path(folder) / f"{n_rows}.parquet"
            make_reviews(path, n_rows)
            for names in (TEN, None):
                with choose_checks(names):
                    report, wall, cpu = time_gate(path, options.repeats)
                n_run = sum(check.skip_reason is None for check in report.checks)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"{n_rows:>12,} rows  {n_run} checks  passed={report.is_passed}  "
                    f"first {wall[0]:6.2f} s  then {statistics.median(wall[1:]):6.2f} s  "
                    f"cpu {statistics.median(cpu[1:]):6.2f} s  peak {peak:,.0f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
