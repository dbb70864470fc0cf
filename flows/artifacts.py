"""What a run shows in Prefect's UI: its account, checks, effects, attacks, progress, and the way to its report.

Prefect keeps artifacts by key, so that a key's page shows how a table changed from run to run.
Cells come from data that anybody wrote: they are made harmless for a page that reads Markdown.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_API_URL

from flows.artifact_rows import (
    Rows,
    list_accounts,
    list_answers,
    list_attacks,
    list_checks,
    list_effects,
    list_nights,
    make_plain,
)
from flows.console import PROGRESS
from flows.running import find_serving
from tasks.platform.runs import read_json
from tasks.platform.settings import Settings
from tasks.platform.site import find_home, resolve_site

EVERY_S: Final = 1.0


def is_shown() -> bool:
    """Whether there is a run to show anything on."""
    return FlowRunContext.get() is not None


def show_night(document: Mapping[str, Any], settings: Settings) -> None:
    """Artifacts of one night."""
    if not is_shown():
        return
    show_account(document)
    page = document["report"]
    report = read_json(Path(page).with_suffix(".json")) if page else None
    if report is not None:
        _table(
            "quality-checks", list_checks(report), "Checks of the night's drops; failed ones first"
        )
        _table(
            "effects",
            list_effects(report),
            "What moves the outcome, with the naive difference beside it",
        )
        _table(
            "attack-scorecard",
            list_attacks(report),
            "What fake reviews could change, as tried this week",
        )
    show_report(document, settings, report)


def show_backfill(document: Mapping[str, Any], settings: Settings) -> None:
    """Artifacts of a backfill."""
    if not is_shown():
        return
    show_account(document)
    _table("nights", list_nights(document), "Nights of the range")
    show_report(document, settings)


def show_sweep(document: Mapping[str, Any]) -> None:
    """Artifacts of a sweep of attacks."""
    if not is_shown():
        return
    rows = [{"surface": name, **counts} for name, counts in document["counts"].items()]
    _table(
        "attack-sweep",
        rows,
        f"Attacks on the state of {document['until']}: attempted = succeeded + failed",
    )


def show_account(document: Mapping[str, Any]) -> None:
    """Rows of every drop, and tasks by how they ended: of a night, a backfill or an import."""
    if not is_shown():
        return
    rows = list_accounts(document)
    _table(
        "row-accounting",
        rows,
        "Rows read = published + quarantined + duplicate + held back, drop by drop",
    )
    tasks = [{"state": state, "tasks": count} for state, count in document["tasks"].items()]
    _table("tasks", tasks, "What ran, and what was still right and was not run again")


def show_answer(answer: Mapping[str, Any]) -> None:
    """Artifacts of one causal question."""
    if not is_shown():
        return
    _table("effects", list_answers(answer), "Estimates, with the naive difference beside them")
    reasons = "\n".join(f"- {make_plain(reason)}" for reason in answer["reasons"])
    _markdown(
        "verdict", f"**{make_plain(answer['verdict'])}**\n\n{reasons}", "How far to believe it"
    )


def show_report(
    document: Mapping[str, Any], settings: Settings, report: Mapping[str, Any] | None = None
) -> None:
    """How the run ended, in words, and a link to its report where one is served."""
    lines = [f"**{document.get('status') or 'completed'}** as of {document['as_of']}"]
    if report is not None:
        lines.append(make_plain(report["headline"]))
    lines += [f"- {make_plain(message)}" for message in document["messages"]]
    page = document["report"]
    address = find_address(page, settings) if page else None
    if page:
        lines.append(f"[Open the report]({address})" if address else "")
        lines.append(f"Report: `{page}`")
    _markdown("summary", "\n\n".join(line for line in lines if line), "How the run ended")
    if address:
        create_link_artifact(
            key="report", link=address, link_text=f"Report of {document['as_of']}",
            description="The page for people",
        )  # fmt: skip


def find_address(page: str, settings: Settings) -> str | None:
    """Where the report at the path `page` can be opened in a browser, None when nobody serves it."""
    base = settings.serve.reports_url
    if base is None and (serving := find_serving(find_home(settings))):
        base = serving.reports
    root = Path(resolve_site(settings).reports_root)
    if base is None or not Path(page).is_relative_to(root):
        return None
    return f"{base.rstrip('/')}/{Path(page).relative_to(root).as_posix()}"


def _table(key: str, rows: Rows, description: str) -> None:
    if rows:
        create_table_artifact(key=key, table=rows, description=description)


def _markdown(key: str, text: str, description: str) -> None:
    create_markdown_artifact(key=key, markdown=text, description=description)


@contextmanager
def show_steps(steps: Sequence[str]) -> Iterator[None]:
    """A progress bar on the run's page while the body works; `steps` are its tasks' names in order.

    A step that is done is a line of the run's log. Only with a server that people look at: one that
    ends with the command has no page.
    """
    if not steps or not PREFECT_API_URL.value():
        yield
        return
    bar, before, log = _Bar(steps), PROGRESS.get(), get_run_logger()

    def tell(step: str, done: int, total: int) -> None:
        if before is not None:
            before(step, done, total)
        bar.tell(step, done, total)
        if done == total:
            log.info("%s: %d done", step, total)

    token = PROGRESS.set(tell)
    try:
        yield
    finally:
        PROGRESS.reset(token)
    bar.finish()


class _Bar:
    """A progress artifact that is updated once a second at most."""

    def __init__(self, steps: Sequence[str]) -> None:
        self.steps = list(steps)
        self.artifact: Any = None
        self.percent = 0.0
        self.told = 0.0

    def tell(self, step: str, done: int, total: int) -> None:
        if step not in self.steps:
            return
        part = (self.steps.index(step) + done / max(total, 1)) / len(self.steps)
        self.percent = max(self.percent, 100 * part)
        if time.monotonic() - self.told >= EVERY_S:
            self._write(f"{step}: {done} of {total}")

    def finish(self) -> None:
        if self.artifact is not None:
            self.percent = 100.0
            self._write("done")

    def _write(self, text: str) -> None:
        self.told = time.monotonic()
        if self.artifact is None:
            self.artifact = create_progress_artifact(
                progress=self.percent, key="progress", description=text
            )
        else:
            update_progress_artifact(self.artifact, progress=self.percent, description=text)
