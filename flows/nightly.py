"""The nightly flow: what the schedule starts, what the button starts, what the command starts."""

from datetime import date
from typing import Annotated, Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows import stages
from flows.artifacts import show_night
from flows.conduct import conduct, label_night, name_night, rename_run
from flows.forms import Emptied, shown
from flows.night import choose_day, open_night, run_night
from flows.server.workers import hire
from flows.state import NightError
from tasks.platform.settings import Settings

WORKERS = 4

AsOf = Annotated[
    date | None,
    shown("As of", "Last date the night may see; empty: the newest day with data"),
]
Config = Annotated[
    Emptied,
    shown(
        "Settings file",
        "Path of whyrec.toml; empty: the one in the working folder",
    ),
]
Force = Annotated[bool, shown("Force", "Publish and compute again what is already there")]


@flow(
    name="nightly",
    flow_run_name=name_night,
    task_runner=ThreadPoolTaskRunner(max_workers=WORKERS),  # type: ignore[arg-type]
    persist_result=False,
)
def nightly(as_of: AsOf = None, config: Config = None, force: Force = False) -> dict[str, Any]:
    """Ingest, check and publish the night's drops, then re-derive effects and the report.

    Args:
        as_of: Last date the night may see; empty for the newest day with data.
        config: Path of whyrec.toml on the worker; empty for the one in its working folder.
        force: Publish and compute again what is already there.
    """
    return conduct(  # type: ignore[return-value]
        config, lambda settings: run_nightly(settings, as_of, is_forced=force), steps=list_steps()
    )


def list_steps() -> list[str]:
    """Names of a night's tasks, in order."""
    return [task.name for task in stages.CACHED_TASKS]


def run_nightly(
    settings: Settings, as_of: date | None, *, is_forced: bool = False
) -> dict[str, Any]:
    """One night inside a flow run; raises NightError when it did not end well."""
    day = choose_day(settings, as_of)
    if as_of is None:
        rename_run(label_night(day.isoformat(), is_forced=is_forced))
    with hire(settings, threads=WORKERS):
        document = run_night(open_night(settings, day, is_forced=is_forced))
    show_night(document, settings)
    if document["exit_code"]:
        raise NightError(document)
    return document
