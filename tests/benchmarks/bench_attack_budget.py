"""What a larger attack budget costs: seconds a night by `robustness.budget`, over whole cycles of nights.

    whyrec attack sweep --config CONFIG            # tries every pair once, and times it
    python -m tests.benchmarks.bench_attack_budget SWEEP_JSON [--budgets 1,2,4]

A night tries `budget` pairs of attack and target, in turn; a pair tried earlier in the week is not tried
again. Pairs differ in what they cost, so one night says little: seconds of each pair come from the
sweep's own tasks, and the nights of so many weeks are laid out that every pair has been the first of a
week. Printed are the mean seconds of a night and of the dearest, and the ratio to budget 1 beside the
ratio of the budgets (linear: the same; less where a week's nights meet a pair twice).
"""

import argparse
import json
from datetime import date, timedelta
from pathlib import Path

from flows.attack_stages import TASKS, Pair, label_pair
from flows.recommend_stages import find_refit_day
from tasks.robustness.mart_rows import choose_tonight


def read_seconds(document: dict, source: str) -> dict[Pair, float]:
    """Seconds of each pair on one source; raises SystemExit for a pair whose task did not run."""
    took = {event["name"]: event for event in document["events"]}
    seconds = {}
    for pair in (Pair(*one) for one in document["pairs"]):
        label = label_pair(pair, source)
        event = took.get(f"{TASKS[pair.target].name} {label}")
        if event is None or event["state"] == "cached":
            raise SystemExit(f"{label} was not run by this sweep; sweep a fresh home")
        seconds[pair] = event["seconds"]
    return seconds


def spend(seconds: dict[Pair, float], budget: int, weeks: int, first: date) -> list[float]:
    """Seconds of each night of so many weeks."""
    pairs, nights = list(seconds), []
    done: set[Pair] = set()
    for number in range(7 * weeks):
        day = first + timedelta(days=number)
        if find_refit_day(day) == day - timedelta(days=1):
            done = set()
        own = [pair for pair in choose_tonight(pairs, budget=budget, as_of=day) if pair not in done]
        done.update(own)
        nights.append(sum(seconds[pair] for pair in own))
    return nights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sweep", type=Path)
    parser.add_argument("--budgets", default="1,2,4")
    options = parser.parse_args()
    document = json.loads(options.sweep.read_text(encoding="utf-8"))
    budgets = [int(part) for part in options.budgets.split(",")]
    for source in sorted({event["name"].split()[-1].split("/")[0] for event in document["events"]
                          if event["name"].startswith("robustness.attack_")}):  # fmt: skip
        seconds = read_seconds(document, source)
        print(f"{source}: {len(seconds)} pairs, {sum(seconds.values()):.1f} s in all")
        base = None
        for budget in budgets:
            nights = spend(seconds, budget, len(seconds), date(2024, 3, 4))
            mean = sum(nights) / len(nights)
            base = base or mean / budget
            print(
                f"  budget {budget}: {mean:.2f} s a night, the dearest {max(nights):.1f} s; "
                f"{mean / base:.2f} times a budget of 1"
            )


if __name__ == "__main__":
    main()
