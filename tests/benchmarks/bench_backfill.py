"""A year of the sample world in one backfill: seconds a night, memory, and the second time.

    python -m tests.benchmarks.bench_backfill [--days 365] [--short 30] [--reviews 60] [--folder DIR]

Makes `--days` dates of a small sample world (every room of the night is on, the dear ones are kept
small, see CONFIG), backfills the first `--short` of them in one warehouse and all of them in another,
and then all of them again. Each backfill is a process of its own, with the small Prefect server that a
command starts; every night's wall seconds, CPU seconds (all threads of that process; on a busy
machine the better guide) and peak resident memory so far go to `<folder>/<name>.jsonl`.

How growth is told. Some work comes once a week (the recommender's full fit, the causal graph) or once
a month (a month becomes one period, second opinions), and daily periods number 28 to 58 with the day
of the month. So whole calendar months are compared: the mean seconds of a night in each month, the
first whole month in which all windows are full (the third) against the last whole one, with the
nights of the first three of a month (when months are joined) and Mondays (after the weekly fit) left
out, and also with them. Memory is the peak of the long run against the peak of the short one.

Bars: last month within 20% of the third, memory within 20%, the second time 30 s.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tasks.ingest.sample import WorldSpec
from tasks.ingest.sample_drops import TRUTH_FILE, write_drops

CONFIG = """
[paths]
home = "home"
[text]
precision = "static"
[effects]
basis_min_rows = 500
buckets = 20
item_text_min_items = 20
windows_days = [0, 28]
segments = ["c__category"]
segment_levels = 2
graph_rows = 300
graph_bootstraps = 1
second_opinion_rows = 300
[recommend]
min_ratings = 300
top_k = 5
[robustness]
min_reviews = 500
max_reviews = 1000
[[extract.attributes]]
name = "price"
seeds = ["price", "expensive", "cheap", "value for money"]
[[extract.attributes]]
name = "shipping"
seeds = ["shipping", "delivery", "arrived late"]
[[sources]]
name = "sample"
kind = "sample"
path = "drops"
"""


def make_spec(days: int, reviews: int) -> WorldSpec:
    """A small shop that is open for `days`."""
    return WorldSpec(
        n_users=200, n_items=40, n_days=days, reviews_per_day=reviews, exposures_per_day=40, seed=5
    )


def prepare(folder: Path, drops: Path) -> None:
    """A shop folder that reads the drops of `drops`."""
    folder.mkdir(parents=True)
    (folder / "whyrec.toml").write_text(CONFIG)
    (folder / "drops").symlink_to(drops)


def run_child(folder: Path, first: date, last: date, log: Path) -> dict[str, Any]:
    """Backfill in a process of its own; its wall seconds, peak memory and account."""
    command = [
        sys.executable, "-m", "tests.benchmarks.bench_backfill", "--child",
        "--folder", str(folder), "--start", str(first), "--end", str(last), "--log", str(log),
    ]  # fmt: skip
    started = time.perf_counter()
    done = subprocess.run(command, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"the backfill of {folder} ended with {done.returncode}")
    rows = read_log(log)
    return {"seconds": seconds, "nights": [row for row in rows if "night" in row], **rows[-1]}


def read_log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def work(folder: Path, first: date, last: date, log: Path) -> None:
    """The child: a backfill as the command does it, with a line for every night."""
    from flows import backfill as module
    from flows.engine import quiet_engine
    from tasks.platform.settings import load_settings
    from tasks.platform.site import find_home, resolve_site

    config = str(folder / "whyrec.toml")
    inner = module.run_night

    def measured(night: Any, *arguments: Any, **options: Any) -> Any:
        started, cpu = time.perf_counter(), time.process_time()
        document = inner(night, *arguments, **options)
        line = {
            "night": str(night.as_of),
            "wall": round(time.perf_counter() - started, 3),
            "cpu": round(time.process_time() - cpu, 3),
            "peak_mb": peak_mb(),
            "rss_mb": rss_mb(),
            "tasks": document["tasks"],
        }
        with log.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        return document

    module.run_night = measured
    started, cpu = time.perf_counter(), time.process_time()
    settings = load_settings(config)
    with quiet_engine(resolve_site(settings), find_home(settings)):
        document = module.backfill(start=first, end=last, config=config)
    end = {
        "flow_seconds": round(time.perf_counter() - started, 3),
        "flow_cpu": round(time.process_time() - cpu, 3),
        "peak_mb": peak_mb(),
        "rows": document["rows"],
        "tasks": document["tasks"],
    }
    with log.open("a") as stream:
        stream.write(json.dumps(end) + "\n")


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def rss_mb() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1_048_576


def by_month(
    nights: list[dict[str, Any]], field: str, *, is_plain: bool
) -> dict[str, tuple[float, int]]:
    """Mean of `field` and number of nights per calendar month; without joins and fits if `is_plain`."""
    found: dict[str, list[float]] = {}
    for row in nights:
        day = date.fromisoformat(row["night"])
        if not (is_plain and (day.day <= 3 or day.isoweekday() == 1)):
            found.setdefault(f"{day:%Y-%m}", []).append(row[field])
    return {month: (statistics.fmean(values), len(values)) for month, values in found.items()}


def report(days: int, short: dict[str, Any] | None, long: dict[str, Any], again: float) -> None:
    nights = long["nights"]
    print(f"{days} days: {long['seconds']:.0f} s, {long['flow_cpu']:.0f} CPU s, {long['rows']}")
    for field in ("wall", "cpu"):
        for is_plain in (True, False):
            months = by_month(nights, field, is_plain=is_plain)
            what = "plain nights" if is_plain else "all nights"
            print(f"  {field}, {what}: " + " ".join(f"{m}:{v:.2f}" for m, (v, _) in months.items()))
            whole = [
                name
                for name in months
                if name != f"{date.fromisoformat(nights[-1]['night']):%Y-%m}"
            ]
            whole = list(months) if days < 100 else whole
            if len(whole) > 3:
                third, last = months[whole[2]][0], months[whole[-1]][0]
                print(f"  {field}, {what}: {whole[-1]} against {whole[2]}: {last / third:.2f}")
    print(f"  peak {long['peak_mb']} MB")
    if short:
        ratio = long["peak_mb"] / short["peak_mb"]
        print(f"  peak of {len(short['nights'])} days {short['peak_mb']} MB: ratio {ratio:.2f}")
    print(f"  the second time: {again:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--short", type=int, default=30)
    parser.add_argument("--reviews", type=int, default=60)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=date.fromisoformat, help=argparse.SUPPRESS)
    parser.add_argument("--end", type=date.fromisoformat, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        work(options.folder, options.start, options.end, options.log)
        return
    folder = options.folder or Path(tempfile.mkdtemp(prefix="whyrec-backfill-"))
    spec = make_spec(options.days, options.reviews)
    drops = folder / "drops"
    if not (drops / TRUTH_FILE).is_file():
        write_drops(spec, drops)
    first, last = spec.first_date, spec.date_of(options.days - 1)
    short = None
    for name in ("short", "long"):
        shutil.rmtree(folder / name, ignore_errors=True)
        for log in folder.glob(f"{name}*.jsonl"):
            log.unlink()
    if options.short:
        prepare(folder / "short", drops)
        end = first + timedelta(days=options.short - 1)
        short = run_child(folder / "short", first, end, folder / "short.jsonl")
    prepare(folder / "long", drops)
    long = run_child(folder / "long", first, last, folder / "long.jsonl")
    again = run_child(folder / "long", first, last, folder / "long-again.jsonl")
    report(options.days, short, long, again["seconds"])


if __name__ == "__main__":
    main()
