"""Coverage of 95% intervals over many sample worlds, and the naive intervals beside it.

Run `python -m tests.benchmarks.bench_sample_coverage [WORLDS] [DAYS]`; 40 worlds of 10 days take
about half a minute. Least squares on the true attribute states with one-hots and splines of the
delivered confounders, clustered by user: the world alone is judged, no extraction, no pipeline.
Each world gives 18 intervals (6 attributes, 3 contrasts) that share data, so the standard error of
a share over W worlds is between 0.22 / sqrt(W) and 0.22 / sqrt(18 W).
"""

import sys
import time
from collections import defaultdict

from tasks.ingest.sample import WorldSpec, simulate
from tests.ingest.test_sample_world import fit_oracle, flatten, measure_naive

CRITICAL = 1.96


def main(n_worlds: int = 40, n_days: int = 10) -> None:
    """Print the share of covering intervals per contrast, oracle and naive."""
    start = time.perf_counter()
    hits: dict[str, list[bool]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    for seed in range(n_worlds):
        world = simulate(WorldSpec(seed=1000 + seed, n_days=n_days), is_written=False)
        truth = flatten(world.truth.effects)
        for key, (estimate, error) in fit_oracle(world).items():
            name, contrast = key.split("/")
            naive, naive_error = measure_naive(world, name, contrast)
            hits[f"oracle {contrast}"].append(abs(estimate - truth[key]) < CRITICAL * error)
            hits[f"naive {contrast}"].append(abs(naive - truth[key]) < CRITICAL * naive_error)
            errors[key].append((estimate - truth[key]) / error)
    for label, outcomes in sorted(hits.items()):
        print(f"{label:30} covers {sum(outcomes) / len(outcomes):6.3f} of {len(outcomes)}")
    worst = max(errors, key=lambda key: abs(sum(errors[key])))
    mean = sum(errors[worst]) / len(errors[worst])
    print(f"largest mean error {mean:+.2f} standard errors ({worst}; 1/sqrt(W) is its own error)")
    print(f"{n_worlds} worlds of {n_days} days in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
