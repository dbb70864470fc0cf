"""What the recommend room's tasks hand on."""

import json
from pathlib import Path
from typing import Any

from tasks.platform.refs import VerdictsRef
from tasks.platform.settings import Settings
from tasks.platform.site import resolve_site
from tasks.platform.task import RunContext
from tasks.recommend.task import collect_effects


def make_effect(attribute: str, **changes: Any) -> dict[str, Any]:
    return {
        "source": "s", "attribute": attribute, "contrast": "positive", "estimator": "plr",
        "verdict": "credible", "estimate": 0.3, "ci_low": 0.2, "ci_high": 0.4,
        "window_start": "2024-03-01", **changes,
    }  # fmt: skip


def collect(tmp_path: Path, *rows: dict[str, Any]) -> Any:
    site = resolve_site(Settings(root=tmp_path))
    run = RunContext(run_id="r", events=str(tmp_path / "e"), site=site, text=Settings().text)
    file = site.lake.put_bytes("rows", ".json", json.dumps(rows).encode(), rows=len(rows))
    verdicts = VerdictsRef(
        effects=file, refutations=file, segments=file, trends=file, graphs=file, codes=(), rows=1
    )
    found = collect_effects.fn("s", verdicts, run)
    return json.loads(site.lake.read_bytes(found))


def test_effects_that_cannot_be_told_from_zero_recommend_nothing(tmp_path: Path) -> None:
    null = make_effect("noise", estimate=0.01, ci_low=-0.02, ci_high=0.04)
    assert collect(tmp_path, make_effect("sound"), null) == [["sound", "positive", 0.3]]


def test_effects_are_those_of_the_longest_window_though_none_there_is_credible(
    tmp_path: Path,
) -> None:
    long = make_effect("sound", verdict="weak")
    short = make_effect("sound", window_start="2024-03-20")
    assert collect(tmp_path, long, short) == []
