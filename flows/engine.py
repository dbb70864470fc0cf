"""How a flow puts tasks to work: submit each distinct call once, wait for all, keep what succeeded."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import Task
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture
from prefect.logging.configuration import setup_logging
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOCAL_STORAGE_PATH,
    PREFECT_LOGGING_TO_API_ENABLED,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)
from threadpoolctl import threadpool_limits

from flows.console import PROGRESS
from flows.running import find_serving, reach_directly
from flows.server.api import is_healthy
from flows.server.workers import submit
from tasks.platform.catalog import show_catalog
from tasks.platform.errors import WhyrecError
from tasks.platform.runs import TaskEvent, write_event
from tasks.platform.site import Site
from tasks.platform.task import RunContext, bind, describe_inputs

OWN_SERVER_S = 180
"""How long a server of one's own may take to start; Prefect's 20 s are too few on a busy machine."""


@dataclass(frozen=True)
class Failure:
    """A task that did not succeed: what it was to work on, and the error in words."""

    label: str
    error: BaseException


@dataclass
class Engine:
    """Submits tasks for one run. Calls that were already answered in this process are not repeated."""

    run: RunContext
    answers: dict[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def map(
        self, declared: Task[..., Any], calls: Mapping[str, Mapping[str, Any]]
    ) -> tuple[dict[str, Any], list[Failure]]:
        """Run one task per label; returns answers by label, in the order given, and failures."""
        keys = {label: self._key(declared, inputs) for label, inputs in calls.items()}
        self.used.update(keys.values())
        futures: dict[str, PrefectFuture[Any]] = {}
        for label, inputs in calls.items():
            if keys[label] in self.answers:
                self._count_known(declared, label)
            else:
                task = bind(declared, self.run, label=label)
                futures[label] = submit(task, declared.name, {**inputs, "run": self.run})
        failures = self._collect(declared, futures, keys)
        known = {label: self.answers[key] for label, key in keys.items() if key in self.answers}
        return known, failures

    def require(
        self, declared: Task[..., Any], calls: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        """As `map`; raises the first failure after all tasks ended, so that the rest is kept."""
        answers, failures = self.map(declared, calls)
        if failures:
            raise failures[0].error
        return answers

    def forget_unused(self) -> None:
        """Drop the answers that this run did not ask for, and what Prefect keeps of its task runs.

        A backfill hands the answers of one night to the next; what no night asks for any more would
        pile up.
        """
        for key in self.answers.keys() - self.used:
            del self.answers[key]
        if (context := FlowRunContext.get()) is not None:
            context.run_results.clear()

    def _key(self, declared: Task[..., Any], inputs: Mapping[str, Any]) -> str:
        text = json.dumps([declared.name, describe_inputs(inputs)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _count_known(self, declared: Task[..., Any], label: str) -> None:
        event = TaskEvent(
            stage=declared.name.partition(".")[0],
            name=f"{declared.name} {label}",
            state="cached",
            seconds=0.0,
        )
        write_event(Path(self.run.events), event)

    def _collect(
        self,
        declared: Task[..., Any],
        futures: Mapping[str, PrefectFuture[Any]],
        keys: Mapping[str, str],
    ) -> list[Failure]:
        failures = []
        for done, (label, future) in enumerate(futures.items(), start=1):
            try:
                answer = future.result()
            except Exception as error:
                failures.append(Failure(label=label, error=error))
            else:
                self.answers[keys[label]] = answer
            if tell := PROGRESS.get():
                tell(declared.name, done, len(futures))
        return failures


def describe_failure(error: BaseException) -> str:
    """An error in words: ours as they are, others with their type, and with no password of a catalog."""
    if isinstance(error, WhyrecError):
        return str(error)
    return f"{type(error).__name__}: {show_catalog(str(error))}"


@contextmanager
def quiet_engine(site: Site, home: Path) -> Iterator[None]:
    """Prefect as a part of the product: results in our place, no telemetry, no log lines at the user.

    A command goes to the server that PREFECT_API_URL names, else to that of `whyrec up` in `home`, else
    to one of its own that ends with it. A server of this machine is asked past any proxy.

    The heartbeat is off because ending it costs a second per flow run. Log lines are not sent to the
    server: its client's queue of them can block the end of the process for good. States, results and
    artifacts are.

    Linear algebra runs one thread a task: tasks already run side by side, and threads that wait for
    a core would spin.
    """
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ.setdefault("DO_NOT_TRACK", "1")
    reach_directly(os.environ)
    if not os.environ.get("WHYREC_DEBUG"):
        os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    changes: dict[Any, Any] = {
        PREFECT_LOCAL_STORAGE_PATH: Path(site.cache_root) / "results",
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: False,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: OWN_SERVER_S,
    }
    serving = None if PREFECT_API_URL.value() else find_serving(home)
    if serving is not None and is_healthy(serving.api):
        changes[PREFECT_API_URL] = serving.api
    with temporary_settings(changes), threadpool_limits(1, user_api="blas"):
        if not os.environ.get("WHYREC_DEBUG"):
            setup_logging()
        yield
