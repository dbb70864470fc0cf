"""The demo: a simulated month whose true effects are known, through the very flows of a real night."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from flows.backfill import backfill
from flows.nightly import nightly
from flows.state import name_drop
from tasks.ingest.sample import WorldSpec
from tasks.ingest.sample_drops import TRUTH_FILE, write_correction, write_drops
from tasks.platform.settings import CONFIG_NAME

SOURCE = "sample"
CONFIG = """# Written by `whyrec demo`: one simulated source; everything lies in this folder.
[paths]
home = "."

[[sources]]
name = "sample"
kind = "sample"
path = "drops"
"""


def prepare_demo(folder: Path) -> Path:
    """Write the sample world's drops and a whyrec.toml that reads them, once; returns the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    drops = folder / "drops"
    if not (drops / TRUTH_FILE).is_file():
        write_drops(WorldSpec(), drops)
    config = folder / CONFIG_NAME
    if not config.is_file():
        config.write_text(CONFIG, encoding="utf-8")
    return config


def run_demo(config: Path) -> dict[str, Any]:
    """Backfill all but the last night, deliver a late correction, run the last night."""
    spec = WorldSpec()
    last = spec.date_of(spec.n_days - 1)
    first = backfill(start=spec.first_date, end=last - timedelta(days=1), config=str(config))
    write_correction(spec, config.parent / "drops")
    document = nightly(as_of=last, config=str(config))
    return add_documents(first, document)


def add_documents(before: dict[str, Any], night: dict[str, Any]) -> dict[str, Any]:
    """One account of the backfill and the night after it; a drop delivered twice counts as last read."""
    accounts = {name_drop(row): row for row in [*before["accounts"], *night["accounts"]]}
    names = ("read", "published", "quarantined", "duplicate", "held")
    return {
        **night,
        "flow": "demo",
        "nights": before["nights"] + 1,
        "rows": {
            name: sum(row.get(f"rows_{name}", 0) for row in accounts.values()) for name in names
        },
        "accounts": list(accounts.values()),
        "tasks": {name: before["tasks"][name] + night["tasks"][name] for name in night["tasks"]},
        "seconds": round(before["seconds"] + night["seconds"], 3),
    }


def compare_with_truth(config: Path, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Each attribute's true effect from complaint to praise, beside the causal and the naive estimate."""
    truth = json.loads((config.parent / "drops" / TRUTH_FILE).read_text(encoding="utf-8"))[
        "effects"
    ]
    report = json.loads(Path(document["report"]).with_suffix(".json").read_text(encoding="utf-8"))
    rows = []
    for effect in report["effects"]:
        name = effect["attribute"]
        if (
            effect["contrast"] != "negative_to_positive"
            or effect["window"] != "all"
            or effect["estimator"] != "plr"
            or name not in truth
        ):
            continue
        value = truth[name]["negative_to_positive"]
        rows.append(
            {
                "attribute": name,
                "truth": value,
                "causal": effect["estimate"],
                "naive": effect["naive"],
                "causal, 95%": _show(effect["estimate"], effect["ci_low"], effect["ci_high"]),
                "naive, 95%": _show(
                    effect["naive"], effect["naive_ci_low"], effect["naive_ci_high"]
                ),
                "verdict": effect["verdict"],
                "is_covered": _covers(effect["ci_low"], effect["ci_high"], value),
                "is_covered_by_naive": _covers(
                    effect["naive_ci_low"], effect["naive_ci_high"], value
                ),
            }
        )
    return rows


def _show(estimate: float | None, low: float | None, high: float | None) -> str:
    if estimate is None or low is None or high is None:
        return "no result"
    return f"{estimate:+.2f} ({low:+.2f} to {high:+.2f})"


def _covers(low: float | None, high: float | None, value: float) -> bool | None:
    return None if low is None or high is None else low <= value <= high
