"""The report, as tasks: gather what the night knows, write one page and its JSON."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

from tasks.platform.refs import FileRef, RecommenderRef, ReportRef, VerdictsRef
from tasks.platform.runs import read_events
from tasks.platform.sql import read_sql
from tasks.platform.task import RunContext, stage_task
from tasks.platform.warehouse import fetch_dicts
from tasks.report.attack_rows import gather_attacks
from tasks.report.model import Contrast, IndexNight, NightReport
from tasks.report.recommender_rows import RecommenderRow, describe_recommender
from tasks.report.render import render_html, render_index, render_json

QUARANTINE_EXAMPLES = 3
NIGHT_FILE = "night.json"
"""What a run says of itself, beside its event log."""


PAGE = "report.html"
PAGE_JSON = "report.json"


def lay_out(page: ReportRef, as_of: date, run: RunContext) -> None:
    """Put the night's page where people look for it: `<reports>/<as_of>/report.html`."""
    folder = run.site.night_folder(as_of)
    folder.mkdir(parents=True, exist_ok=True)
    for ref, name in ((page.html, PAGE), (page.json_file, PAGE_JSON)):
        content = run.site.lake.read_bytes(ref)
        place = folder / name
        if not place.is_file() or place.read_bytes() != content:
            draft = place.with_name(f".{name}.{run.run_id}")
            draft.write_bytes(content)
            draft.replace(place)


def write_index(run: RunContext) -> None:
    """The page that lists all nights, newest first."""
    root = Path(run.site.reports_root)
    nights = [
        describe_night(
            json.loads(path.read_text(encoding="utf-8")), href=f"{path.parent.name}/{PAGE}"
        )
        for path in sorted(root.glob("????-??-??/run.json"), reverse=True)
    ]
    draft = root / f".index.{run.run_id}"
    draft.write_text(render_index(nights), encoding="utf-8")
    draft.replace(root / "index.html")


def describe_night(document: Mapping[str, Any], *, href: str) -> IndexNight:
    """The line of one night in the index, from its run.json."""
    return IndexNight(
        as_of=document["as_of"],
        href=href,
        verdict=document.get("verdict") or document["status"],
        headline=document.get("headline") or "",
        is_gate_passed=document["status"] != "stopped by gate",
        rows_published=document["rows"]["published"],
        rows_quarantined=document["rows"]["quarantined"],
        n_credible=document.get("n_credible") or 0,
        n_effects=document.get("n_effects") or 0,
    )


def read_summary(page: ReportRef, run: RunContext) -> dict[str, Any]:
    """What the index says of a night, out of its report."""
    document = json.loads(run.site.lake.read_bytes(page.json_file))
    return {name: document[name] for name in ("verdict", "headline", "n_credible", "n_effects")}


def gather_facts(
    run: RunContext,
    *,
    as_of: date,
    drops: Sequence[Mapping[str, Any]],
    max_age_days: int | None,
    extra: Mapping[str, Any],
) -> FileRef:
    """What the report shows of the warehouse, as one file: accounts, checks, refused rows, last effects.

    `drops` are account rows of the night's drops, `extra` further fields of the report.
    """
    scope = {"drops": sorted({str(drop["drop_id"]) for drop in drops})}
    with run.site.warehouse.connect() as connection:
        checks = fetch_dicts(connection, read_sql("marts/quality_select"), scope)
        refused = fetch_dicts(
            connection,
            read_sql("quarantine/examples_select"),
            {**scope, "limit": QUARANTINE_EXAMPLES},
        )
        previous = fetch_dicts(connection, read_sql("marts/effects_previous"), {"as_of": as_of})
        freshness = fetch_dicts(connection, read_sql("raw/freshness_select"), {"as_of": as_of})
    facts = {
        "as_of": as_of,
        "drops": list(drops),
        "checks": [_read_check(row) for row in checks],
        "quarantine": refused,
        "freshness": [{**row, "max_age_days": max_age_days} for row in freshness],
        "previous_as_of": previous[0]["as_of"] if previous else None,
        "previous_effects": [_read_effect(row) for row in previous if is_contrast(row)],
        **extra,
    }
    text = json.dumps(facts, default=str, sort_keys=True)
    return run.site.lake.put_bytes("facts", ".json", text.encode())


def is_contrast(row: Mapping[str, Any]) -> bool:
    """Whether a row of marts.effects compares mentions of an attribute (not positions of a list)."""
    return row["contrast"] in get_args(Contrast)


def _read_check(row: Mapping[str, Any]) -> dict[str, Any]:
    examples = json.loads(row["examples"]) if row["examples"] else []
    return {**row, "column": row["column_name"], "examples": examples}


def _read_effect(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "window": row["window_name"], "reasons": json.loads(row["reasons"] or "[]")}


@stage_task("report")
def write_report(
    facts: FileRef,
    verdicts: VerdictsRef,
    examples: tuple[FileRef, ...],
    recommenders: tuple[RecommenderRef, ...],
    attacks: tuple[FileRef, ...],
    run: RunContext,
) -> ReportRef:
    """One self-contained page and its JSON.

    It also says what ran on the way to it and how to derive it again (`night.json` beside the event
    log). Neither is part of the key: a page is written anew when its content changes.
    """
    lake = run.site.lake
    document = json.loads(lake.read_bytes(facts))
    rows = json.loads(lake.read_bytes(verdicts.effects))
    beside = json.loads(Path(run.events).with_name(NIGHT_FILE).read_text(encoding="utf-8"))
    report = NightReport(
        **document,
        **beside,
        effects=[row for row in rows if is_contrast(row)],
        positions=[row for row in rows if not is_contrast(row)],
        refutations=json.loads(lake.read_bytes(verdicts.refutations)),
        segments=json.loads(lake.read_bytes(verdicts.segments)),
        trends=json.loads(lake.read_bytes(verdicts.trends)),
        graphs=json.loads(lake.read_bytes(verdicts.graphs)),
        recommenders=[_read_recommender(ref, run) for ref in recommenders],
        attacks=gather_attacks(json.loads(lake.read_bytes(ref)) for ref in attacks),
        attributes=[row for ref in examples for row in json.loads(lake.read_bytes(ref))],
        tasks=[vars(event) for event in read_events(Path(run.events))],
    )
    return ReportRef(
        html=lake.put_bytes("reports", ".html", render_html(report).encode()),
        json_file=lake.put_bytes("reports", ".json", render_json(report).encode()),
        rows=len(rows),
    )


def _read_recommender(ref: RecommenderRef, run: RunContext) -> RecommenderRow:
    quality, groups, picks = (
        json.loads(run.site.lake.read_bytes(part)) for part in (ref.quality, ref.groups, ref.about)
    )
    return describe_recommender(ref.source, quality=quality, groups=groups, picks=picks)
