"""What serving costs: `whyrec up` until it is healthy, an unchanged night, a mapped task.

    python -m tests.benchmarks.bench_serving --folder var/demo     # a folder that `whyrec demo` made

Says how busy the machine was: on one that others use, seconds are worth little.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from flows.engine import Engine, quiet_engine
from tasks.platform.runs import make_run_id
from tasks.platform.settings import load_settings
from tasks.platform.site import find_home, resolve_site
from tasks.platform.task import RunContext, stage_task
from tests.flows.served import Served

N_TASKS = 200


@stage_task("bench")
def add_one(number: int, salt: str, run: RunContext) -> int:
    """Next to nothing, through all that a task of a night goes through."""
    return number + 1


@flow(task_runner=ThreadPoolTaskRunner(max_workers=4), persist_result=False)  # type: ignore[arg-type]
def map_tasks(engine: Engine, salt: str) -> float:
    """Seconds a task."""
    began = time.perf_counter()
    engine.require(add_one, {f"{n}": {"number": n, "salt": salt} for n in range(N_TASKS)})
    return (time.perf_counter() - began) / N_TASKS


def measure_map(config: Path, api: str) -> dict[str, float]:
    """Milliseconds a mapped task: new ones, and the same again, found in the cache."""
    settings = load_settings(config)
    site = resolve_site(settings)
    salt = make_run_id()
    found = {}
    with temporary_settings({PREFECT_API_URL: api}), quiet_engine(site, find_home(settings)):
        for name in ("ran", "cached"):
            run_id = make_run_id()
            events = Path(site.reports_root) / "runs" / run_id / "events.jsonl"
            run = RunContext(run_id=run_id, events=str(events), site=site, text=settings.text)
            found[name] = 1000 * map_tasks(Engine(run=run), salt)
    return found


def measure_night(served: Served) -> tuple[float, float, dict[str, int]]:
    """Seconds of a whole `whyrec nightly` process, those of the processor, and what its tasks did."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = served.call("nightly", "--json")
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode:
        raise SystemExit(done.stderr)
    return seconds, busy, json.loads(done.stdout)["tasks"]


def measure_button(served: Served) -> tuple[float, float]:
    """Seconds of a night started through the API: until it ended, and of the run itself."""
    deployment = served.find_deployment("nightly")
    began = time.perf_counter()
    run = served.ask(f"/deployments/{deployment['id']}/create_flow_run", {})
    run = served.wait_for_state(run["id"], "COMPLETED", within_s=300)
    return time.perf_counter() - began, run["total_run_time"]


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="var/demo", help="what `whyrec demo` made")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder, n_rounds = Path(options.folder).resolve(), options.rounds
    say = sys.stdout.write
    say(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    served = Served(folder)
    starts = []
    for _ in range(n_rounds):
        starts.append(served.start()["seconds"])
        if len(starts) < n_rounds:
            served.stop()
    try:
        say(f"whyrec up until healthy: {', '.join(f'{one:.1f}' for one in starts)} s\n")
        measure_night(served)  # the first after a change of code is no unchanged night
        nights = [measure_night(served) for _ in range(n_rounds)]
        walls = ", ".join(f"{wall:.1f}" for wall, _, _ in nights)
        busy = ", ".join(f"{part:.1f}" for _, part, _ in nights)
        say(f"unchanged night with it: {walls} s ({busy} s of a processor), {nights[-1][2]}\n")
        whole, run = measure_button(served)
        say(f"the same from the button: {whole:.1f} s, of which the run {run:.1f} s\n")
        rounds = [measure_map(folder / "whyrec.toml", served.api) for _ in range(n_rounds)]
        for name in ("ran", "cached"):
            say(
                f"a mapped task that {name}: {statistics.median(one[name] for one in rounds):.1f} ms\n"
            )
        say(f"load {os.getloadavg()[0]:.1f}\n")
    finally:
        served.stop()


if __name__ == "__main__":
    from tests.benchmarks import bench_serving  # a task's code is found by its module's name

    bench_serving.main()
