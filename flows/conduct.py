"""How a flow run behaves, whatever it does: it shows that it lives, how far it is, and why it ended."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Completed
from threadpoolctl import threadpool_limits

from flows.artifacts import show_steps
from flows.running import find_prefect_home
from flows.server.stale import show_alive
from tasks.platform.errors import EXIT_GATE, WhyrecError
from tasks.platform.settings import Settings, load_settings
from tasks.platform.site import find_home

STOPPED_BY_GATE = "Stopped by gate"
MAX_MESSAGE = 2000


def conduct(
    config: str | Path | None,
    work: Callable[[Settings], dict[str, Any]],
    *,
    steps: Sequence[str] = (),
) -> State[Any]:
    """Do `work` inside a flow run; the state it ends in says in a sentence what came out, or why nothing did.

    `steps` are the names of its tasks in order; they tell how far it is.

    Whoever calls the flow as a function gets the account, or the error raised, as from any flow.
    """
    try:
        settings = load_settings(config)
        with ExitStack() as stack:
            stack.enter_context(threadpool_limits(1, user_api="blas"))
            if run_id := find_run_id():
                folder = find_prefect_home(find_home(settings))
                stack.enter_context(show_alive(folder, str(run_id)))
                stack.enter_context(show_steps(steps))
            document = work(settings)
            return Completed(message=describe_end(document), data=document)
    except WhyrecError as error:
        return fail(error)


def describe_end(document: Mapping[str, Any]) -> str:
    """What a run's page says of how it went: a night's headline, a question's verdict, else its rows."""
    if "treatment" in document:
        return f"{document['treatment']} on {document['outcome']}: {document['verdict']}"
    if "headline" in document:
        return str(document["headline"])
    rows = document.get("rows")
    if rows is None:
        return str(document.get("status") or "completed")
    return (
        f"{rows['read']:,} rows read: {rows['published']:,} published, {rows['quarantined']:,} "
        f"quarantined, {rows['duplicate']:,} duplicate"
    )


def fail(error: WhyrecError) -> State[Any]:
    """The state of a run that ended with `error`: its message is what the run's page shows."""
    is_gate = error.exit_code == EXIT_GATE
    return State(
        type=StateType.FAILED,
        name=STOPPED_BY_GATE if is_gate else "Failed",
        message=str(error)[:MAX_MESSAGE],
        data=error,
    )


def find_run_id() -> UUID | None:
    """Identity of the flow run that this is part of, None outside one."""
    context = FlowRunContext.get()
    return context.flow_run.id if context and context.flow_run else None


def rename_run(name: str) -> None:
    """Give the run a name that was not known when it began."""
    if run_id := find_run_id():
        get_client(sync_client=True).update_flow_run(run_id, name=name)


def name_night() -> str:
    """Name of a night's run from what was asked: its date when that was named, and its purpose."""
    return label_night(_name_day(), is_forced=bool(flow_run.parameters.get("force")))


def label_night(day: str, *, is_forced: bool) -> str:
    """As "night 2024-03-30", or "night 2024-03-30, forced"."""
    return f"night {day}" + (", forced" if is_forced else "")


def name_sweep() -> str:
    """Name of a sweep's run from what was asked."""
    return label_sweep(_name_day())


def _name_day() -> str:
    day = flow_run.parameters.get("as_of")
    return str(day) if day else "of the newest day"


def label_sweep(day: str) -> str:
    """As "sweep 2024-03-30"."""
    return f"sweep {day}"
