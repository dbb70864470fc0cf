"""What a run shows in the Prefect UI: row accounting, effects and the report's place."""

from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext


def show_night(document: dict[str, Any]) -> None:
    """Artifacts of one night; outside a flow run there is nowhere to show them."""
    if FlowRunContext.get() is None:
        return
    columns = (
        "source",
        "table",
        "drop_id",
        "rows_read",
        "rows_published",
        "rows_quarantined",
        "rows_duplicate",
        "status",
    )
    create_table_artifact(
        key="row-accounting",
        table=[{name: row.get(name) for name in columns} for row in document["accounts"]],
        description="Rows read = published + quarantined + duplicate, for every drop of the night",
    )
    create_table_artifact(
        key="tasks",
        table=[{"state": state, "tasks": count} for state, count in document["tasks"].items()],
        description="What ran and what was still right",
    )
    sentences = "\n".join(f"- {message}" for message in document["messages"])
    create_markdown_artifact(
        key="report",
        markdown=f"**{document['status']}** as of {document['as_of']}\n\n{sentences}\n\n"
        f"Report: `{document['report']}`",
        description="Where the night's report lies",
    )


def show_sweep(document: dict[str, Any]) -> None:
    """Artifacts of one sweep; outside a flow run there is nowhere to show them."""
    if FlowRunContext.get() is None:
        return
    create_table_artifact(
        key="attacks",
        table=[{"surface": name, **counts} for name, counts in document["counts"].items()],
        description=f"Attacks on the state of {document['until']}: attempted = succeeded + failed",
    )
