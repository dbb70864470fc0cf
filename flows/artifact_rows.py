"""Rows of the tables that a run shows in Prefect's UI: short, rounded, harmless."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tasks.report.clean import clean_text

Rows = list[dict[str, Any]]

HEADLINE: Final = "negative_to_positive"
MAX_ROWS: Final = 200
MAX_TEXT: Final = 2000
MAX_CELL: Final = 300
_MARKDOWN: Final = str.maketrans({char: f"\\{char}" for char in "\\`*_[]<>#|!"})


def make_plain(text: Any) -> str:
    """Text from data as plain words in Markdown: no link, no tag, no emphasis, no control character."""
    return clean_text(str(text), limit=MAX_TEXT).translate(_MARKDOWN)


def make_cell(value: Any) -> Any:
    """A cell of a table: numbers rounded, nothing as "no result", text without a link in it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, int):
        return value
    return clean_text(str(value), limit=MAX_CELL).replace("](", "] (")


def list_accounts(document: Mapping[str, Any]) -> Rows:
    """Row accounting, one row a drop and table; what did not go well comes first."""
    names = ("read", "published", "quarantined", "duplicate", "held")
    rows = [
        {
            "status": make_cell(row["status"]),
            "drop": make_cell(row["drop_id"]),
            "table": make_cell(row["table"]),
            **{name: row.get(f"rows_{name}") or 0 for name in names},
            "source": make_cell(row["source"]),
            "message": make_cell(row.get("message") or ""),
        }
        for row in document["accounts"]
    ]
    rows.sort(key=lambda row: row["status"] in ("published", "unchanged"))
    return cap(rows)


def list_checks(report: Mapping[str, Any]) -> Rows:
    """Quality checks, failed ones first, critical ones before warnings."""
    checks = sorted(
        report["checks"], key=lambda row: (bool(row["is_success"]), row["severity"] != "critical")
    )
    return cap(
        [
            {
                "result": "skipped"
                if row["skip_reason"]
                else "passed"
                if row["is_success"]
                else "FAILED",
                "severity": row["severity"],
                **{
                    name: make_cell(row[name])
                    for name in ("drop_id", "table", "expectation", "observed", "allowed", "source")
                },
                "breaks": make_cell(row["breaks"]),
            }
            for row in checks
        ]
    )


def list_effects(report: Mapping[str, Any]) -> Rows:
    """Effects from complaint to praise, with interval, naive difference, verdict and first reason."""
    return cap(
        [
            {
                "attribute": make_cell(row["attribute"]),
                "verdict": row["verdict"],
                **{
                    name: make_cell(row[name]) if row[name] is not None else "no result"
                    for name in ("estimate", "ci_low", "ci_high", "naive", "n")
                },
                "window": row["window"],
                "estimator": row["estimator"],
                "why": make_cell(next(iter(row["reasons"]), "")),
                "source": make_cell(row["source"]),
            }
            for row in report["effects"]
            if row["contrast"] == HEADLINE
        ]
    )


def list_attacks(report: Mapping[str, Any]) -> Rows:
    """The attack scorecard: what was tried on what, how far it moved, and what it takes to flip a verdict."""
    rows = (report.get("attacks") or {}).get("attacks", [])
    return cap(
        [
            {
                "attack": make_cell(row["attack"]),
                "target": make_cell(row["target"]),
                "subject": make_cell(row["subject"]),
                "fakes per review": make_cell(row["share"]),
                "clean": make_cell(row["clean"]),
                "attacked": make_cell(row["attacked"]),
                "shift (std errors)": make_cell(row["shift"]),
                "flips verdict": make_cell(row["is_verdict_flipped"]),
                "smallest that flips": make_cell(row["smallest_share"]),
                **{name: row[name] for name in ("attempted", "succeeded", "failed", "skipped")},
                "why skipped": make_cell(row["skip_reason"]),
            }
            for row in rows
        ]
    )


def list_answers(answer: Mapping[str, Any]) -> Rows:
    """Estimates of one question, the naive difference first."""
    naive = {
        **answer["naive"],
        "estimator": "naive",
        "n": answer["n"],
        "verdict": "",
        "estimand": "",
    }
    names = ("estimator", "estimand", "estimate", "ci_low", "ci_high", "n", "verdict")
    return [{name: make_cell(row[name]) for name in names} for row in [naive, *answer["estimates"]]]


def list_nights(document: Mapping[str, Any]) -> Rows:
    """Nights of a backfill, if its account names them."""
    return cap([{k: make_cell(v) for k, v in row.items()} for row in document.get("days", [])])


def cap(rows: Sequence[dict[str, Any]]) -> Rows:
    """At most MAX_ROWS rows; how many were left out is said in one more."""
    if len(rows) <= MAX_ROWS:
        return list(rows)
    first = next(iter(rows[0]))
    left = dict.fromkeys(rows[0], "") | {first: f"and {len(rows) - MAX_ROWS} more rows"}
    return [*rows[:MAX_ROWS], left]
