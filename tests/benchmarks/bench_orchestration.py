"""What orchestration costs: seconds of a night outside the rooms' own work, and of one mapped task.

    python -m tests.benchmarks.bench_orchestration [--config var/demo/whyrec.toml] [--tasks 300]

The night: from run.json of the newest whole night (`whyrec demo` makes one), or of `--night FILE`. A
second belongs to the rooms while at least one task is at work; what is left of the night's seconds is
orchestration: planning, keys, waiting for the engine, accounts. Tasks run side by side, so their
seconds are not added up but laid over one another. `--night` may be given more than once.

A mapped task: a flow that maps a task which does nothing over `--tasks` labels, through the same engine
as a night (cache key, lock, result file, event), first new and then cached; seconds of the whole flow
over the number of tasks. Wall and CPU seconds of this process (on a busy machine the better guide).

Bars: outside the rooms' work at most 10%; per mapped task 60 ms.
"""

import argparse
import json
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.engine import Engine, quiet_engine
from flows.server.workers import hire
from tasks.platform.refs import FileRef
from tasks.platform.runs import make_run_id
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import find_home, resolve_site
from tasks.platform.task import RunContext, stage_task


@stage_task("bench")
def do_nothing(number: int, run: RunContext) -> FileRef:
    """A task whose own work is next to nothing: one small file of the lake."""
    return run.site.lake.put_bytes("bench", ".txt", str(number).encode())


def map_tasks(settings: Settings, n_tasks: int) -> tuple[float, float]:
    """Wall and CPU seconds of a flow that maps `n_tasks` tasks."""
    site = resolve_site(settings)
    run_id = make_run_id()
    events = Path(site.reports_root) / "runs" / run_id / "events.jsonl"
    run = RunContext(run_id=run_id, events=str(events), site=site, text=settings.text)
    took: list[float] = []

    @flow(name="bench", task_runner=ThreadPoolTaskRunner(max_workers=4), persist_result=False)
    def bench() -> None:
        started, cpu = time.perf_counter(), time.process_time()
        with hire(settings, threads=4):
            calls = {str(number): {"number": number} for number in range(n_tasks)}
            Engine(run=run).require(do_nothing, calls)
        took.extend((time.perf_counter() - started, time.process_time() - cpu))

    bench()
    return took[0], took[1]


def find_nights(settings: Settings) -> list[Path]:
    """run.json of the newest night."""
    root = Path(resolve_site(settings).reports_root)
    return sorted(root.glob("????-??-??/run.json"))[-1:]


def measure_night(path: Path) -> dict[str, Any]:
    """Seconds of a night, and those of them in which no task was at work."""
    document = json.loads(path.read_text(encoding="utf-8"))
    spans = []
    for event in document["events"]:
        if event["seconds"] and event.get("ended_at"):
            end = datetime.fromisoformat(event["ended_at"]).timestamp()
            spans.append((end - event["seconds"], end))
    busy = cover(spans)
    total = float(document["seconds"])
    return {
        "night": document["as_of"],
        "flow": document["flow"],
        "tasks": document["tasks"],
        "seconds": total,
        "busy": round(busy, 3),
        "outside": round(total - busy, 3),
        "share": round((total - busy) / total, 4) if total else None,
    }


def cover(spans: list[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--config", default="var/demo/whyrec.toml")
    parser.add_argument("--night", type=Path, action="append", help="a run.json")
    parser.add_argument("--tasks", type=int, default=300)
    options = parser.parse_args()
    nights = options.night
    if nights is None and Path(options.config).is_file():
        nights = find_nights(load_settings(options.config))
    for path in nights or []:
        print(json.dumps(measure_night(path)))
    if not options.tasks:
        return
    with tempfile.TemporaryDirectory(prefix="whyrec-bench-") as folder:
        config = Path(folder) / "whyrec.toml"
        config.write_text('[paths]\nhome = "home"\n')
        settings = load_settings(config)
        with quiet_engine(resolve_site(settings), find_home(settings)):
            # the task's module must be importable by name, which __main__ is not
            from tests.benchmarks import bench_orchestration as module

            module.map_tasks(settings, 8)
            for name in ("new", "cached"):
                wall, cpu = module.map_tasks(settings, options.tasks)
                print(
                    f"{options.tasks} mapped tasks, {name}: {wall:.2f} s, {cpu:.2f} CPU s; "
                    f"a task {wall / options.tasks * 1000:.1f} ms, {cpu / options.tasks * 1000:.1f} CPU ms"
                )


if __name__ == "__main__":
    main()
