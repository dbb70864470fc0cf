"""One page for one gate report: what happened, what it means, what to do.

Self-contained HTML without scripts or network. Everything that came out of a delivery is escaped
by the template engine; nothing is marked safe.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tasks.quality.gate import CheckResult, GateReport

if TYPE_CHECKING:
    from jinja2 import Template

MAX_EXAMPLES_PER_REASON = 3
MAX_RAW_CHARS = 200


@dataclass(frozen=True)
class QuarantineReason:
    """Rows set aside for one reason: how many (None: not told), a few (place, raw text)."""

    reason: str
    n_rows: int | None
    examples: tuple[tuple[str, str], ...]


def render_gate_page(
    report: GateReport,
    *,
    quarantine_examples: Sequence[Mapping[str, object]],
    quarantine_counts: Mapping[str, int] | None = None,
) -> str:
    """HTML page of `report`, complete in itself.

    `quarantine_examples` are rows of `quarantine.<table>` (keys `reason`, `file`, `line`,
    `raw_text`), a few of them; `quarantine_counts` gives all rows by reason, and without it the
    page shows the examples and claims no totals.
    """
    reasons = group_quarantine(quarantine_examples, quarantine_counts)
    return _load_template().render(
        report=report,
        headline=write_headline(report),
        consequence=write_consequence(report),
        passed=[c for c in report.checks if c.is_success and c.skip_reason is None],
        skipped=[c for c in report.checks if c.skip_reason is not None],
        reasons=reasons,
        n_quarantined=None if quarantine_counts is None else sum(quarantine_counts.values()),
    )


def write_headline(report: GateReport) -> str:
    """First sentence: was it published, and why not."""
    drop = f"Drop {report.drop_id} of source {report.source} ({report.table})"
    if report.is_passed:
        n = len(report.warnings)
        warnings = "without warnings" if n == 0 else f"with {n} warning{'s' if n > 1 else ''}"
        return f"{drop} passed the quality gate {warnings}: {report.n_rows:,} rows."
    worst = max(report.failures, key=lambda c: (c.is_error, c.n_unexpected or 0))
    others = len(report.failures) - 1
    more = f" {others} more critical check{'s' if others > 1 else ''} failed." if others else ""
    return f"{drop} was not published: {_name_failure(worst)}.{more}"


def write_consequence(report: GateReport) -> str:
    """Second sentence: what readers see now."""
    if report.is_passed:
        return "It may be published; nothing needs to be done tonight."
    return (
        f"What was published before stays as it was; conclusions that need these {report.table} "
        "are drawn without them until the drop is delivered again or the cause is mended."
    )


def _name_failure(check: CheckResult) -> str:
    if check.is_error:
        return f"the check “{check.expectation}” could not be computed"
    if check.n_unexpected:
        found = f"{check.n_unexpected:,} of {check.n_rows:,} rows break the rule"
        return f"{found} “{check.expectation}”"
    return f"the rule “{check.expectation}” is broken (found {check.observed})"


def group_quarantine(
    rows: Sequence[Mapping[str, object]], counts: Mapping[str, int] | None
) -> tuple[QuarantineReason, ...]:
    """Quarantined rows by reason, most frequent first; at most three examples of each."""
    seen = Counter(str(row["reason"]) for row in rows)
    known = counts or {}
    order = sorted(
        {*seen, *known}, key=lambda reason: (-known.get(reason, 0), -seen[reason], reason)
    )
    return tuple(
        QuarantineReason(
            reason,
            known.get(reason),
            tuple(
                (f"{row['file']}:{row['line']}", _show(str(row["raw_text"])))
                for row in rows
                if row["reason"] == reason
            )[:MAX_EXAMPLES_PER_REASON],
        )
        for reason in order
    )


def _show(text: str) -> str:
    """At most 200 characters; control and direction marks become visible."""
    cut = text[:MAX_RAW_CHARS]
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)
    return shown + ("…" if len(text) > MAX_RAW_CHARS else "")


@cache
def _load_template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tasks.quality", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("gate.html.j2")
