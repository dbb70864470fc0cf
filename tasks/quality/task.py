"""The quality gate, as a task: nothing is published that did not pass it."""

import json
from datetime import date, timedelta

from tasks.platform.refs import GateRef, PastDay, StagedRef
from tasks.platform.schema import EVENT_TABLES
from tasks.platform.settings import IngestSettings, QualitySettings
from tasks.platform.task import RunContext, stage_task
from tasks.quality.compare import compare_days
from tasks.quality.gate import GateReport, run_gate
from tasks.quality.history import HistoryBounds, row_count_bounds
from tasks.quality.page import render_gate_page

PAGE_EXAMPLES = 5


@stage_task("quality")
def check_drop(
    staged: StagedRef,
    history: dict[str, PastDay],
    latest: date,
    ingest: IngestSettings,
    quality: QualitySettings,
    run: RunContext,
) -> GateRef:
    """Run the table's suite on exactly the staged rows; `history` maps drop dates to days."""
    lake, drop = run.site.lake, staged.drop
    report = run_gate(
        lake.locate(staged.staged),
        table=drop.table,
        source=drop.source,
        drop_id=drop.drop_id,
        as_of=latest,
        history=_bound_rows(staged, history, quality),
        date_bounds=(date(ingest.earliest_year, 1, 1), latest),
        compared=compare_days(
            staged.profile, [json.loads(past.profile) for past in history.values()]
        ),
    )
    document = {name: part for name, part in report.to_dict().items() if name != "seconds"}
    page = None
    if not report.is_passed:
        refused = lake.read_frame(staged.quarantine).unique("reason", maintain_order=True)
        examples = refused.head(PAGE_EXAMPLES).to_dicts()
        html = render_gate_page(
            report, quarantine_examples=examples, quarantine_counts=staged.reasons
        )
        page = lake.put_bytes("gates", ".html", html.encode())
    return GateRef(
        is_passed=report.is_passed,
        sentence=describe_verdict(report),
        report=lake.put_bytes("gates", ".json", json.dumps(document, sort_keys=True).encode()),
        page=page,
        rows=staged.rows,
    )


def _bound_rows(
    staged: StagedRef, history: dict[str, PastDay], quality: QualitySettings
) -> HistoryBounds | None:
    """Bounds of the drop's row count; None for bulk imports and for tables of latest state."""
    drop = staged.drop
    if drop.drop_date is None or drop.table not in EVENT_TABLES:
        return None
    first = drop.drop_date - timedelta(days=quality.history_days)
    counts = {date.fromisoformat(day): past.rows for day, past in history.items()}
    return row_count_bounds(
        {day: rows for day, rows in counts.items() if first <= day < drop.drop_date},
        drop.drop_date,
        min_share=quality.min_rows_share_of_history,
        max_share=quality.max_rows_share_of_history,
        history_days=quality.history_days,
    )


def describe_verdict(report: GateReport) -> str:
    """One sentence for the run's page: what was found, what was allowed, what follows."""
    failed = [c for c in report.checks if c.severity == "critical" and not c.is_success]
    where = f"{report.table} of drop {report.drop_id} of source {report.source}"
    if not failed:
        return f"{where} passed {len(report.checks)} checks."
    first = failed[0]
    more = f", and {len(failed) - 1} more critical checks failed" if len(failed) > 1 else ""
    return (
        f"{where} was not published: {first.expectation} (found {first.observed}, "
        f"allowed {first.allowed}){more}. What was published before stays as it was."
    )
