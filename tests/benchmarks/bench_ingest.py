"""Ingest of JSON lines against a bare DuckDB `read_json` insert of the same file.

    python -m tests.benchmarks.bench_ingest [--megabytes 200] [--repeats 3]

Writes made-up reviews in the Amazon 2018 shape, then runs, each in a process of its own and by
turns: `stage_files` (every check, masking, hashes, Parquet) and `CREATE TABLE … AS SELECT * FROM
read_json(…)` into a DuckDB file. Prints seconds, CPU seconds, the ratio (bare / ours; 1 is equal),
ratio of CPU seconds (on a busy machine the better guide), and peak memory of both at this size and
of ours at a quarter of it.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

BAR: Final = 0.7
TEXT: Final = (
    "the strap holds well and sound is clear but price was high for what it does I would buy this "
    "again string guitar cable battery mount easy cheap sturdy broke after two weeks shipping fast "
    "tuner pedal noise hum great value quality plastic metal light heavy fits my son loves it"
)


def write_reviews(path: Path, megabytes: int, rng: np.random.Generator) -> int:
    """Write about `megabytes` MB of reviews of 20 to 300 words; the number of rows."""
    words = np.array(TEXT.split())
    size, rows = 0, 0
    with path.open("w", encoding="utf-8") as file:
        while size < megabytes * 1_000_000:
            count = int(rng.gamma(2.0, 40.0)) + 5
            row = {
                "overall": float(rng.integers(1, 6)),
                "verified": bool(rng.random() < 0.8),
                "reviewTime": "06 17, 2018",
                "reviewerID": f"A{rng.integers(10**6):013d}",
                "asin": f"B{rng.integers(10**5):09d}",
                "reviewerName": "Some Body",
                "reviewText": " ".join(rng.choice(words, count)),
                "summary": " ".join(rng.choice(words, 4)),
                "unixReviewTime": int(1_300_000_000 + 86_400 * rng.integers(2500)),
            }
            if rng.random() < 0.2:
                row["vote"] = str(rng.integers(2, 1500))
            line = json.dumps(row) + "\n"
            file.write(line)
            size, rows = size + len(line), rows + 1
    return rows


def run_ours(path: Path, folder: Path) -> None:
    """Stage the file once."""
    from tasks.ingest.adapters import get_adapter
    from tasks.ingest.stage import IngestOptions, stage_files

    options = IngestOptions(
        max_bad_share=0.1,
        max_line_bytes=5_000_000,
        earliest=date(1990, 1, 1),
        latest=date(2030, 1, 1),
        mask_contacts=True,
        user_id_key=None,
    )
    stage_files(
        [path],
        adapter=get_adapter("amazon-2018"),
        table="reviews",
        source="bench",
        drop_id="bench",
        options=options,
        staged_path=folder / "staged.parquet",
        quarantine_path=folder / "quarantine.parquet",
        work_dir=folder,
    )


def run_bare(path: Path, folder: Path) -> None:
    """Insert the file into a DuckDB database file, as it is."""
    import duckdb

    target = folder / "bare.duckdb"
    target.unlink(missing_ok=True)
    with duckdb.connect(str(target)) as connection:
        connection.execute(
            "CREATE TABLE reviews AS SELECT * FROM read_json($path)", {"path": str(path)}
        )


def run_child(what: str, path: Path) -> None:
    """Warm imports, run once, and print seconds, CPU seconds and peak MB as JSON."""
    import duckdb
    import polars_hash
    import pyarrow.parquet

    import tasks.ingest.stage

    del duckdb, polars_hash, pyarrow, tasks
    work = {"ours": run_ours, "bare": run_bare}[what]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        work(path, Path(folder))
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": after.ru_maxrss / 1024}))


def measure(what: str, path: Path) -> dict[str, float]:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_ingest", "--child", what, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs=2, metavar=("WHAT", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_child(arguments.child[0], Path(arguments.child[1]))
        return
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.json", Path(folder) / "small.json"
        rows = write_reviews(large, arguments.megabytes, rng)
        write_reviews(small, max(arguments.megabytes // 4, 1), rng)
        runs = [(measure("ours", large), measure("bare", large)) for _ in range(arguments.repeats)]
        peak_small = measure("ours", small)["peak_mb"]
    ours, bare = (
        {key: statistics.median(run[at][key] for run in runs) for key in runs[0][at]}
        for at in (0, 1)
    )
    print(f"{rows:,} rows, {arguments.megabytes} MB, median of {arguments.repeats}")
    print(f"  ours  {ours['seconds']:6.2f} s  {ours['cpu']:6.2f} CPU s")
    print(f"  bare  {bare['seconds']:6.2f} s  {bare['cpu']:6.2f} CPU s")
    print(f"  ratio {bare['seconds'] / ours['seconds']:6.2f} (bar {BAR})")
    print(f"  of CPU seconds {bare['cpu'] / ours['cpu']:.2f}")
    print(f"  peak  {ours['peak_mb']:6.0f} MB; {peak_small:.0f} MB at a quarter of the size")
    print(f"  bare  {bare['peak_mb']:6.0f} MB")


if __name__ == "__main__":
    main()
