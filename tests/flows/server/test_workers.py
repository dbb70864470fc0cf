"""Which runner takes which task."""

import sys
from typing import Any

import pytest

from flows import stages
from flows.server.workers import WIDE, Workers, make_dask_runner
from tasks.effects import task as effects
from tasks.platform.errors import ConfigError
from tasks.platform.settings import RunSettings
from tasks.report import task as report


class Told:
    """A runner that remembers what it was given."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def submit(self, task: Any, parameters: dict[str, Any]) -> None:
        self.names.append(task.name)


def test_every_wide_task_is_a_task_of_the_night() -> None:
    assert {task.name for task in stages.CACHED_TASKS} >= WIDE


def test_wide_tasks_go_to_the_cluster_and_others_stay() -> None:
    narrow, wide = Told(), Told()
    workers = Workers(narrow, wide)  # type: ignore[arg-type]
    for task in (effects.make_moments, report.write_report):
        inputs = dict.fromkeys(("panel", "basis", "attribute_names", "outcome", "buckets", "run"))
        more = dict.fromkeys(("facts", "verdicts", "examples", "recommenders", "attacks", "run"))
        workers.submit(task, task.name, inputs if task is effects.make_moments else more)
    assert (wide.names, narrow.names) == (["effects.make_moments"], ["report.write_report"])


def test_without_a_cluster_everything_stays() -> None:
    narrow = Told()
    inputs = dict.fromkeys(("panel", "basis", "attribute_names", "outcome", "buckets", "run"))
    Workers(narrow).submit(effects.make_moments, "effects.make_moments", inputs)  # type: ignore[arg-type]
    assert narrow.names == ["effects.make_moments"]


def test_dask_that_is_not_installed_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prefect_dask.task_runners", None)
    with pytest.raises(ConfigError, match=r"whyrec\[cluster\]"):
        make_dask_runner(RunSettings(runner="dask"))
