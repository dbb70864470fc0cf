"""Who does a flow's tasks: threads of this process, or for the wide stages the workers of a Dask cluster.

Wide stages are those that a night maps over days, texts, drops or attacks. They exchange references
only: what they read and write lies in the lake and the warehouse, which every worker has to see at the
same places, and their results in the shared cache. A worker that dies is replaced: what it was working
on is done again by another one, what it had finished is kept.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from prefect import Task
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.callables import get_call_parameters

from tasks.platform.errors import ConfigError
from tasks.platform.settings import RunSettings, Settings

WIDE: Final = frozenset(
    {
        "ingest.stage_drop", "quality.check_drop", "text.embed_shard", "text.embed_items",
        "text.extract_attributes", "effects.make_panel", "effects.make_moments",
        "effects.make_changed_moments", "effects.make_segment_moments", "effects.estimate_window",
        "effects.refute_effects", "effects.estimate_segment", "effects.ask_second_opinion",
        "recommend.measure_quality", "robustness.attack_effect", "robustness.attack_ratings",
    }
)  # fmt: skip
"""Tasks that are done many at a time, and that a cluster is worth its while for."""


@dataclass(frozen=True)
class Workers:
    """The runners of one flow run; `wide` takes the tasks of WIDE where there is a cluster."""

    narrow: TaskRunner[Any]
    wide: TaskRunner[Any] | None = None

    def submit(self, task: Task[..., Any], name: str, inputs: dict[str, Any]) -> PrefectFuture[Any]:
        """Start a task; `name` is the one that it was declared by."""
        runner = self.wide if self.wide is not None and name in WIDE else self.narrow
        future: PrefectFuture[Any] = runner.submit(task, get_call_parameters(task.fn, (), inputs))
        return future


WORKERS: ContextVar[Workers | None] = ContextVar("workers", default=None)


def submit(task: Task[..., Any], name: str, inputs: dict[str, Any]) -> PrefectFuture[Any]:
    """Start a task with the workers that were hired, else with the flow's own runner."""
    workers = WORKERS.get()
    if workers is not None:
        return workers.submit(task, name, inputs)
    future: PrefectFuture[Any] = task.submit(**inputs)
    return future


@contextmanager
def hire(settings: Settings, *, threads: int) -> Iterator[None]:
    """Workers for the body, inside a flow run; a cluster too where `run.runner` says so."""
    with ExitStack() as stack:
        narrow: TaskRunner[Any] = stack.enter_context(ThreadPoolTaskRunner(max_workers=threads))
        wide: TaskRunner[Any] | None = None
        if settings.run.runner == "dask":
            stack.enter_context(share_server())
            wide = stack.enter_context(make_dask_runner(settings.run))
        token = WORKERS.set(Workers(narrow, wide))
        try:
            yield
        finally:
            WORKERS.reset(token)


@contextmanager
def share_server() -> Iterator[None]:
    """Let other processes report to the server of this one, also where it is one of its own."""
    if PREFECT_API_URL.value():
        yield
        return
    with get_client(sync_client=True) as client:
        url = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: url}):
        yield


def make_dask_runner(run: RunSettings) -> TaskRunner[Any]:
    """A runner on the cluster at `run.dask_address`, or on workers of this machine.

    Raises ConfigError when Dask is not installed.
    """
    try:
        import dask
        from prefect_dask.task_runners import DaskTaskRunner
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"run.runner is 'dask', and {error.name} is not installed; "
            "run: pip install 'whyrec[cluster]', or set run.runner to 'threads'"
        ) from None
    # a worker that is lost takes its tasks with it; they are done again elsewhere, but not for ever
    dask.config.set({"distributed.scheduler.allowed-failures": run.dask_allowed_failures})
    if run.dask_address:
        runner: TaskRunner[Any] = DaskTaskRunner(address=run.dask_address)
        return runner
    environment = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    local: TaskRunner[Any] = DaskTaskRunner(
        cluster_kwargs={
            "n_workers": run.dask_workers,
            "threads_per_worker": 1,
            "dashboard_address": None,
            "env": environment | dict(os.environ),
            "silence_logs": 50,
        }
    )
    return local
