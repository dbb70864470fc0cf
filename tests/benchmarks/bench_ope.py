"""Coverage of off-policy 95% intervals, and the Open Bandit Dataset both ways.

Run `python -m tests.benchmarks.bench_ope [WORLDS]`; 300 worlds take some minutes. Worlds are those
of tests/effects/logged.py: few and many clicks, near and far targets, targets known, given by
columns that look at the segment, and counted from another log, amounts as well as clicks. The bar is
93-97% for ips, snips and dr; over 300 worlds a true 95% has a standard error of 1.3 points.
`symmetric` is the plain 1.96 standard errors of dr, for comparison, and `width` the median length of
an interval over that of the log's own mean.
dm and dros lean on the reward model, which here is wrong (additive on the logit scale, the truth is
a product), and so may fall short.

The second part needs the data (WHYREC_REAL_DATA, by default ../shared/data): the value of the
bandit's policy from the random log, and of the uniform policy from the bandit's log, beside the
other log's own mean.
"""

import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl

from tasks.effects.ope.evaluate import evaluate_policy
from tasks.effects.ope.position import estimate_position_bias
from tasks.platform.errors import EstimationError
from tests.effects.logged import draw_log, make_world, uniform

DATA = Path(os.environ.get("WHYREC_REAL_DATA", "../shared/data"))
GROUNDS = {
    "5,000 rows, 5%, near": {"rows": 5000, "rate": 0.08, "greed": 0.5},
    "5,000 rows, 0.5%, near": {"rows": 5000, "rate": 0.008, "greed": 0.5},
    "5,000 rows, 5%, far": {"rows": 5000, "rate": 0.08, "greed": 1.3},
    "5,000 rows, 0.5%, far": {"rows": 5000, "rate": 0.008, "greed": 1.3},
    "5,000 rows, 5%, personal": {"rows": 5000, "rate": 0.08, "greed": 0.7, "is_personal": True},
    "5,000 rows, 2%, counted": {"rows": 5000, "rate": 0.03, "greed": 0.7, "is_counted": True},
    "800 rows, 5%, counted": {"rows": 800, "rate": 0.08, "greed": 0.5, "is_counted": True},
    "5,000 rows, 5%, columns": {
        "rows": 5000,
        "rate": 0.08,
        "greed": 0.7,
        "is_personal": True,
        "is_named": True,
    },
    "800 rows, 5%, columns": {
        "rows": 800,
        "rate": 0.08,
        "greed": 0.5,
        "is_personal": True,
        "is_named": True,
    },
    "5,000 rows, amounts": {"rows": 5000, "rate": 0.08, "greed": 0.7, "scale": 10.0},
}


def try_ground(
    seed, *, rows, rate, greed, scale=0.0, is_personal=False, is_counted=False, is_named=False
):
    """One world's answer, with the true value and the true lift."""
    rng = np.random.default_rng(seed)
    world = make_world(rng, rate=rate, greed=greed, is_personal=is_personal)
    other = make_world(rng, rate=rate, greed=greed).logging
    policy = uniform(world)
    log = draw_log(world, policy if is_counted else world.logging, rows, rng, scale=scale)
    given = {"target": "uniform"}
    if is_counted:
        given = {"target": "other", "target_log": draw_log(world, other, rows, rng)}
    if is_named:
        other = make_world(rng, rate=rate, greed=greed, is_personal=True).logging
        given, log = {"target": "columns:p_{}"}, add_chances(log, other)
    factor = scale or 1.0
    truth = factor * world.value(other if is_counted or is_named else policy)
    own = factor * world.value(policy if is_counted else world.logging)
    context = ["segment"] if is_personal else []
    return evaluate_policy(log, context=context, **given), truth, truth - own


def add_chances(log, target):
    """`log` with the chances (3, 4, A) of `target`, which looks at the segment, in columns p_0, p_1, …"""
    segment = np.searchsorted(list("abcd"), log["segment"].to_numpy())
    chances = target[log["position"].to_numpy() - 1, segment]
    return log.with_columns(pl.Series(f"p_{a}", one) for a, one in enumerate(chances.T))


def main(worlds: int = 300) -> None:
    """Print coverage by ground and estimator, then the two directions of the real logs."""
    start = time.perf_counter()
    for label, ground in GROUNDS.items():
        hits, wide, clicks = defaultdict(list), defaultdict(list), []
        for seed in range(worlds):
            try:
                answer, truth, lift = try_ground(seed, **ground)
            except EstimationError as error:
                hits[f"refused: {error}"[:60]].append(True)
                continue
            clicks.append(answer["overlap"]["effective_events"])
            own = answer["behaviour"]["ci_high"] - answer["behaviour"]["ci_low"]
            for row in answer["estimates"]:
                name = row["estimator"]
                hits[name].append(row["ci_low"] <= truth <= row["ci_high"])
                moved = row["lift"]
                hits[f"{name} lift"].append(moved["ci_low"] <= lift <= moved["ci_high"])
                wide[name].append((row["ci_high"] - row["ci_low"]) / own)
                if name == "dr" and answer["verdict"] == "credible":
                    hits["dr, credible"].append(hits["dr"][-1])
                    hits["dr lift, credible"].append(hits["dr lift"][-1])
                if name == "dr":
                    off = abs(row["estimate"] - truth)
                    hits["symmetric"].append(off <= 1.96 * row["std_error"])
        print(f"{label}: {np.median(clicks):.0f} effective clicks")
        for name, found in hits.items():
            width = f"  width {np.median(wide[name]):.2f}" if name in wide else ""
            print(f"    {name:17} {np.mean(found):6.3f} of {len(found)}{width}")
    for rate in (0.2, 0.01):
        show_positions(worlds, rate)
    print(f"{worlds} worlds in {time.perf_counter() - start:.0f} s")
    show_real()


def show_positions(worlds: int, rate: float) -> None:
    """Coverage of position effects and ratios in logs of a policy that ranks by appeal."""
    hits = defaultdict(list)
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        world = make_world(rng, rate=rate, greed=0.7)
        log = draw_log(world, world.logging, 4000, rng)
        means = world.mean.mean(axis=1) @ world.logging.mean(axis=(0, 1))
        for k, row in enumerate(estimate_position_bias(log, context=["segment"]), start=1):
            hits["difference"].append(row["ci_low"] <= means[k] - means[0] <= row["ci_high"])
            if row["ratio"] is not None:
                ratio = means[k] / means[0]
                hits["ratio"].append(row["ratio_ci_low"] <= ratio <= row["ratio_ci_high"])
    print(f"position effects, 4,000 rows, {rate:.0%}")
    for name, found in hits.items():
        print(f"    {name:17} {np.mean(found):6.3f} of {len(found)}")


def show_real() -> None:
    """Both directions of the Open Bandit Dataset's sample."""
    paths = {name: DATA / "obd" / name / "men" / "men.csv" for name in ("random", "bts")}
    if not all(path.exists() for path in paths.values()):
        print(f"no data at {DATA / 'obd'}; set WHYREC_REAL_DATA")
        return
    logs = {name: pl.read_csv(path) for name, path in paths.items()}
    for log, given, check in (
        ("random", {"target": "bts", "target_log": logs["bts"]}, "bts"),
        ("bts", {"target": "uniform"}, "random"),
    ):
        answer = evaluate_policy(logs[log], **given)
        mean = evaluate_policy(logs[check], target="uniform", estimators=["snips"])["behaviour"]
        print(f"{given['target']} from the {log} log: {answer['verdict']}")
        for row in [*answer["estimates"], {"estimator": f"{check} log", **mean}]:
            value = row.get("estimate", row.get("value"))
            print(
                f"    {row['estimator']:12} {value:.5f} ({row['ci_low']:.5f} to {row['ci_high']:.5f})"
            )
        for reason in answer["reasons"]:
            print(f"    {reason}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
